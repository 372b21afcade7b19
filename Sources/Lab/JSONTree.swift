/// JSON as it came, names in the form of code.
indirect enum JSONTree: Codable {
  case fields([String: JSONTree])
  case list([JSONTree])
  case text(String)
  case flag(Bool)
  case whole(Int64)
  case number(Double)
  /// A number that no type holds.
  case beyond
  case null

  struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    if let fields = try? decoder.container(keyedBy: Name.self) {
      var found: [String: JSONTree] = [:]
      for name in fields.allKeys { found[name.stringValue] = try fields.decode(JSONTree.self, forKey: name) }
      self = .fields(found)
    } else if var list = try? decoder.unkeyedContainer() {
      var found: [JSONTree] = []
      while !list.isAtEnd { found.append(try list.decode(JSONTree.self)) }
      self = .list(found)
    } else {
      let single = try decoder.singleValueContainer()
      self =
        single.decodeNil()
        ? .null
        : (try? single.decode(String.self)).map { .text($0) } ?? (try? single.decode(Bool.self)).map { .flag($0) }
          ?? (try? single.decode(Int64.self)).map { .whole($0) } ?? (try? single.decode(Double.self)).map {
            .number($0)
          }
          ?? .beyond
    }
  }

  func encode(to encoder: any Encoder) throws {
    var single = encoder.singleValueContainer()
    switch self {
    case .fields(let fields): try single.encode(fields)
    case .list(let items): try single.encode(items)
    case .text(let text): try single.encode(text)
    case .flag(let flag): try single.encode(flag)
    case .whole(let number): try single.encode(number)
    case .number(let number): try single.encode(number)
    case .beyond, .null: try single.encodeNil()
    }
  }

  /// For people.
  var written: String {
    switch self {
    case .fields: "{…}"
    case .list: "[…]"
    case .text(let text): "“\(text.prefix(60))”"
    case .flag(let flag): "\(flag)"
    case .whole(let number): "\(number)"
    case .number(let number): "\(number)"
    case .beyond: "a number beyond all ranges"
    case .null: "null"
    }
  }

  func at(_ path: some Sequence<any CodingKey>) -> JSONTree? {
    path.reduce(self) { tree, key in
      switch tree {
      case .fields(let fields): fields[key.stringValue]
      case .list(let items): key.intValue.flatMap { items.indices.contains($0) ? items[$0] : nil }
      default: nil
      }
    }
  }

  /// All numbers in it, each with its path, in an order of its own.
  func numbers(below path: String = "") -> [(path: String, value: JSONTree)] {
    switch self {
    case .fields(let fields):
      fields.sorted { $0.key < $1.key }.flatMap { $1.numbers(below: ScenarioReader.join(path, $0)) }
    case .list(let items): items.enumerated().flatMap { $1.numbers(below: "\(path)[\($0)]") }
    case .whole, .number, .beyond: [(path, self)]
    case .text, .flag, .null: []
    }
  }

  /// With 1 in place of the first so many numbers.
  func tamed(_ left: inout Int) -> JSONTree {
    switch self {
    case .fields(let fields):
      var tame = fields
      for (name, value) in fields.sorted(by: { $0.key < $1.key }) { tame[name] = value.tamed(&left) }
      return .fields(tame)
    case .list(let items): return .list(items.map { $0.tamed(&left) })
    case .whole, .number, .beyond:
      left -= 1
      return left >= 0 ? .whole(1) : self
    case .text, .flag, .null: return self
    }
  }
}
