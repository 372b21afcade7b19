import CFFmpeg

/// What an FFmpeg call returned when it failed.
struct AVFailure: Error, CustomStringConvertible {
  let code: Int32
  let operation: String

  init(_ code: Int32, _ operation: String) {
    self.code = code
    self.operation = operation
  }

  /// FFmpeg's own words for the code.
  var reason: String {
    var text = [CChar](repeating: 0, count: Int(AV_ERROR_MAX_STRING_SIZE))
    av_strerror(code, &text, text.count)
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }
  var description: String { "\(operation): \(reason)" }
}

/// Control flow of FFmpeg's send/receive calls: wanting more input and having ended are not errors.
enum Step { case done, wantsInput, ended }

/// Passes a return code of 0 or more; throws a negative one.
@discardableResult
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(AVFailure) -> Int32 {
  guard code >= 0 else { throw AVFailure(code, operation()) }
  return code
}

/// Tells "more input wanted" and "ended" from failure.
func step(_ code: Int32, _ operation: @autoclosure () -> String) throws(AVFailure) -> Step {
  switch code {
  case MR_AGAIN: return .wantsInput
  case MR_EOF: return .ended
  default:
    try check(code, operation())
    return .done
  }
}

/// Runs `body` with an FFmpeg dictionary, and refuses options that it left behind: they were not understood.
func withOptions<Result>(
  _ options: KeyValuePairs<String, String>, _ body: (UnsafeMutablePointer<OpaquePointer?>) throws -> Result
) throws -> Result {
  var dictionary: OpaquePointer?
  defer { av_dict_free(&dictionary) }
  for (name, value) in options { try check(av_dict_set(&dictionary, name, value, 0), "av_dict_set") }
  let result = try body(&dictionary)
  if let left = av_dict_get(dictionary, "", nil, AV_DICT_IGNORE_SUFFIX) {
    throw AVFailure(MR_EINVAL, "option \(String(cString: left.pointee.key)) was not understood")
  }
  return result
}

extension Optional where Wrapped == UnsafePointer<CChar> {
  /// The C string's text; empty where there is none.
  var text: String { map { String(cString: $0) } ?? "" }
}
