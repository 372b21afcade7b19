import Base
import Testing
import Vocabulary

@testable import Measurements

/// The kernel's texts, and what becomes of them.
@Suite("What the kernel says")
struct ProcTextTests {
  static let stat = """
    cpu  1000 50 300 8000 150 0 25 5 90 0
    cpu0 500 25 150 4000 75 0 12 3 45 0
    intr 12345 0 0
    ctxt 99
    """
  static func process(_ name: String, user: Int, kernel: Int, pages: Int) -> String {
    "4242 (\(name)) S 1 4242 4242 0 -1 4194560 900 0 3 0 \(user) \(kernel) 0 0 20 0 7 0 1111 300000000 \(pages) 18446744073709551615 1 1"
  }

  @Test("busy is all but idle and waiting for disks; guests are not counted twice")
  func cpu() {
    let ticks = ProcText.cpuTicks(ProcTextTests.stat)
    #expect(ticks.all == 1_000 + 50 + 300 + 8_000 + 150 + 25 + 5)
    #expect(ticks.busy == 1_000 + 50 + 300 + 25 + 5)
  }

  @Test("a process's name may hold anything, parentheses and blanks included")
  func process() {
    for name in ["millrace", "a) R 1 (b", "worker 3"] {
      let read = ProcText.process(ProcTextTests.process(name, user: 70, kernel: 30, pages: 2_048))
      #expect(read?.ticks == 100)
      #expect(read?.pages == 2_048)
    }
  }

  @Test("pressure is the total of “some”, in microseconds")
  func pressure() {
    let text = "some avg10=1.53 avg60=0.89 avg300=0.21 total=58761459\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    #expect(ProcText.stalled(text) == 58_761_459)
    #expect(ProcText.stalled("") == nil)
  }

  @Test("traffic is of all interfaces but loopback")
  func traffic() {
    let text = """
      Inter-|   Receive                                                |  Transmit
       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
          lo: 999999 10 0 0 0 0 0 0 999999 10 0 0 0 0 0 0
        eth0: 1000 10 0 0 0 0 0 0 400 4 0 0 0 0 0 0
       wlan0:500 5 0 0 0 0 0 0 100 1 0 0 0 0 0 0
      """
    let (received, sent) = ProcText.traffic(text)
    #expect(received == 1_500)
    #expect(sent == 500)
  }

  @Test("texts cut off, empty or absurd count as nothing and crash nobody")
  func junk() {
    let whole = [
      ProcTextTests.stat, ProcTextTests.process("x", user: 1, kernel: 2, pages: 3), "some avg10=1 total=5",
      "eth0: 1 2 3 4 5 6 7 8 9",
    ]
    var random = SeededRandom(seed: 1)
    for text in whole {
      for length in 0...text.count {
        let cut = String(text.prefix(length))
        _ = MachineSample(stat: cut, processes: [cut], pressure: cut, network: cut)
        let noisy = String(
          decoding: cut.utf8.map { random.fraction() < 0.1 ? UInt8(random.index(below: 128)) : $0 }, as: UTF8.self)
        _ = MachineSample(stat: noisy, processes: [noisy], pressure: noisy, network: noisy)
      }
    }
    let huge = "cpu  \(Array(repeating: String(UInt64.max), count: 8).joined(separator: " "))"
    _ = MachineSample(
      stat: huge, processes: [ProcTextTests.process("x", user: .max, kernel: .max, pages: .max)], pressure: nil,
      network: "")
  }

  @Test("a rate settles on what flows and forgets it when nothing does")
  func rate() {
    var meter = RateMeter()
    for second in 0...20 { meter.read(UInt64(second * 1_000), at: .zero + .seconds(second)) }
    #expect(abs(meter.rate - 1_000) < 1)
    for second in 21...40 { meter.read(20_000, at: .zero + .seconds(second)) }
    #expect(meter.rate < 2)
    // A counter that began anew is not a burst.
    meter.read(5, at: .zero + .seconds(41))
    #expect(meter.rate < 2)
  }

  @Test("CPU shares are of the machine and of the operator's share")
  func shares() {
    var (gauge, load) = (Gauge(), LoadVector(cores: 2))
    let offer = NodeOffer(components: nil, slots: 4, cores: 2, machineCores: 4, memory: 1 << 30)
    for second in 0...20 {
      var sample = MachineSample(stat: "", processes: [], pressure: nil, network: "")
      sample.allTicks = UInt64(second * 400)
      sample.busyTicks = UInt64(second * 200)
      sample.ownTicks = UInt64(second * 100)
      sample.stalledMicroseconds = UInt64(second * 250_000)
      sample.ownMemory = 1 << 29
      gauge.read(sample, offer: offer, into: &load, at: .zero + .seconds(second))
    }
    #expect(abs(load.machineCPU - 0.5) < 0.01)
    #expect(abs(load.ownCPU - 0.5) < 0.01, "one of four cores is half of the operator's two")
    #expect(abs(load.cpuPressure - 0.25) < 0.01)
    #expect(load.memory == 0.5)
  }

  @Test("missed deadlines count while they are fresh")
  func misses() {
    var (gauge, load) = (Gauge(), LoadVector())
    for second in 1...10 { gauge.count(due: 30, late: 6, into: &load, at: .zero + .seconds(second)) }
    #expect(abs(load.deadlineMisses - 0.2) < 0.01)
    for second in 11...40 { gauge.count(due: 30, late: 0, into: &load, at: .zero + .seconds(second)) }
    #expect(load.deadlineMisses < 0.02)
  }
}
