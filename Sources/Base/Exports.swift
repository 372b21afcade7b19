// The pure rooms iterate only ordered collections: the order of a Dictionary or Set differs from process to process,
// and with it would every trace.
@_exported import OrderedCollections
