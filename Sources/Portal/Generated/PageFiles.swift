// Made by Tools/generate-page from Sources/Portal/Page. Do not edit.
// swift-format-ignore-file

/// The page's files and the API's description, as they stand in `Sources/Portal/Page`.
enum PageSources {
  static let icon_svg = ###"""
x

"""###

  static let index_html = ###"""
x

"""###

  static let openapi_yaml = ###"""
openapi: 3.1.0

"""###

  static let overlay_js = ###"""
x

"""###

  static let page_css = ###"""
x

"""###

  static let page_js = ###"""
x

"""###

  static let player_js = ###"""
x

"""###

  static let services_js = ###"""
x

"""###
}
