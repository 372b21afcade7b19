import Base
import Identity
import Testing

/// RFC 9381, Appendix B.3: ECVRF-EDWARDS25519-SHA512-TAI.
private struct Example: CustomTestStringConvertible {
  let number: Int
  let seed, key, input, proof, output: String
  var testDescription: String { "example \(number)" }

  static let all = [
    Example(
      number: 16, seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", input: "",
      proof: "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97"
        + "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
      output: "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af02679"
        + "8e8f81cd2e333de5cdf4f3e140fdd8ae"),
    Example(
      number: 17, seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", input: "72",
      proof: "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465"
        + "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
      output: "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848"
        + "a0bef4553a41befc57663b56373a5031"),
    Example(
      number: 18, seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", input: "af82",
      proof: "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0"
        + "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
      output: "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf038bb6373241"
        + "578be7217ba85a2687f7a0310b2df19f"),
  ]
}

private func bytes(_ hexadecimal: String) -> [UInt8] {
  let digits = Array(hexadecimal)
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
}

@Suite("VRF")
struct VRFTests {
  @Test("the RFC's examples: key, proof and output, bit for bit", arguments: Example.all)
  private func examples(_ example: Example) throws {
    let keys = KeyPair(seed: Bytes32(bytes(example.seed))!)
    #expect(keys.id.bytes == bytes(example.key))
    let proof = keys.prove(bytes(example.input))
    #expect(TextForm.hexadecimal(proof.bytes) == example.proof)
    let output = try keys.id.output(of: proof, on: bytes(example.input))
    #expect(TextForm.hexadecimal(output.bytes) == example.output)
    #expect(try proof.output() == output)
  }

  @Test("a changed bit of the proof, the input or the key is refused, each of them", arguments: Example.all)
  private func changedBits(_ example: Example) throws {
    let (key, proof, input) = (NodeID(Bytes32(bytes(example.key))!), bytes(example.proof), bytes(example.input))
    func isAccepted(_ key: [UInt8], _ proof: [UInt8], _ input: [UInt8]) -> Bool {
      (try? NodeID(Bytes32(key)!).output(of: VRFProof(validating: proof), on: input)) != nil
    }
    func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
      var copy = bytes
      copy[bit / 8] ^= 1 << UInt8(bit % 8)
      return copy
    }
    #expect(isAccepted(key.bytes, proof, input))
    #expect((0..<640).filter { isAccepted(key.bytes, flipped(proof, $0), input) } == [])
    #expect((0..<input.count * 8).filter { isAccepted(key.bytes, proof, flipped(input, $0)) } == [])
    #expect((0..<256).filter { isAccepted(flipped(key.bytes, $0), proof, input) } == [])
    #expect(!isAccepted(key.bytes, proof, input + [0]))
  }

  @Test("each way of being wrong has its name")
  func faults() throws {
    let keys = KeyPair(seed: Bytes32((0..<32).map { UInt8($0) })!)
    let good = keys.prove([1, 2, 3]).bytes
    func fault(_ key: NodeID, _ proof: [UInt8]) -> VRFFault? {
      do { _ = try key.output(of: VRFProof(validating: proof), on: [1, 2, 3]) } catch { return error }
      return nil
    }
    #expect(fault(keys.id, good) == nil)
    #expect(fault(keys.id, good.dropLast()) == .length(79))
    // The point of order two: y = −1.
    let low: [UInt8] = [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F]
    #expect(fault(NodeID(Bytes32(low)!), good) == .key)
    #expect(fault(keys.id, low + good[32...]) == .gamma)
    // s + q stands for the same scalar: without the check a second proof for one output.
    #expect(fault(keys.id, good[..<48] + [UInt8](repeating: 0xFF, count: 32)) == .scalar)
    #expect(fault(KeyPair(seed: .zero).id, good) == .challenge)
  }

  /// Every point of small order, as it is written and as it must not be: y from 0 to 2^255 − 1, with either sign.
  private static let small: [[UInt8]] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].map(bytes).flatMap { [$0, $0.dropLast() + [$0[31] | 128]] }

  @Test("no point of small order is a key, or part of a proof, however it is written", arguments: small)
  private func smallOrder(_ point: [UInt8]) {
    let keys = KeyPair(seed: Bytes32((0..<32).map { UInt8($0) })!)
    let good = keys.prove([7]).bytes
    func fault(_ key: NodeID, _ proof: [UInt8]) -> VRFFault? {
      do { _ = try key.output(of: VRFProof(validating: proof), on: [7]) } catch { return error }
      return nil
    }
    #expect(fault(keys.id, good) == nil)
    #expect(fault(NodeID(Bytes32(point)!), good) == .key)
    #expect(fault(keys.id, point + good[32...]) == .gamma)
  }

  @Test("a proof with s + q for s says the same and is refused, so that there is one proof only")
  func onlyOneScalar() throws {
    let keys = KeyPair(seed: Bytes32((0..<32).map { UInt8($0) })!)
    let good = keys.prove([7]).bytes
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    var (scalar, carry) = (Array(good[48...]), 0)
    for place in scalar.indices {
      carry += Int(scalar[place]) + Int(order[place])
      (scalar[place], carry) = (UInt8(carry & 255), carry >> 8)
    }
    #expect(carry == 0)
    #expect(throws: VRFFault.scalar) {
      try keys.id.output(of: VRFProof(validating: good[..<48] + scalar), on: [7])
    }
  }

  @Test("outputs of one key differ by input, those of one input by key, and order as bytes do")
  func outputs() throws {
    let keys = (0..<3).map { index in KeyPair(seed: Bytes32((0..<32).map { UInt8($0 + index) })!) }
    let outputs = try keys.flatMap { key in
      try (0..<3).map { input in try key.id.output(of: key.prove([UInt8(input)]), on: [UInt8(input)]) }
    }
    #expect(Set(outputs).count == 9)
    for (a, b) in zip(outputs.sorted(), outputs.sorted().dropFirst()) {
      #expect(a.bytes.lexicographicallyPrecedes(b.bytes))
    }
  }
}
