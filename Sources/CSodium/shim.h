#pragma once
#include <sodium.h>

// Macros that the importer does not see.
static const size_t MR_BOX_SEALBYTES = crypto_box_SEALBYTES;
