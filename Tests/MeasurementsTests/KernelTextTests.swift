import Base
import Testing

@testable import Measurements

/// The kernel's texts, as real machines gave them.
@Suite("The kernel's texts")
struct KernelTextTests {
  static let stat = """
    cpu  659893 328 107319 860138 6378 0 745 738 0 0
    cpu0 329000 160 53000 430000 3100 0 400 369 0 0
    cpu1 330893 168 54319 430138 3278 0 345 369 0 0
    intr 48373911 0 9 0 0 0
    ctxt 91231235
    """
  static let process =
    "30556 (cat) R 30556 30556 24877 0 -1 4194304 97 0 0 0 12 34 5 6 20 0 1 0 819622 3133440 413 18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 7 0"
  static let pressure = """
    some avg10=76.15 avg60=60.96 avg300=57.75 total=2982307632
    full avg10=0.00 avg60=0.00 avg300=0.00 total=0
    """
  static let network = """
    Inter-|   Receive                                                |  Transmit
     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
        lo: 479634180  131787    0    0    0     0          0         0 479634180  131787    0    0    0     0       0          0
      ifb0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
      eth0: 343614400    6755    0    0    0     0          0         0   331060    4272    0    0    0     0       0          0
     wlan0:1000 5 0 0 0 0 0 0 2000 6 0 0 0 0 0 0
    """

  @Test("/proc/stat: all CPUs, idle and waiting for disks apart")
  func ticks() {
    let ticks = ProcText.cpuTicks(Self.stat)
    #expect(ticks.all == 659_893 + 328 + 107_319 + 860_138 + 6_378 + 745 + 738)
    #expect(ticks.busy == 659_893 + 328 + 107_319 + 745 + 738)
  }

  @Test("/proc/PID/stat: own ticks without children's, pages, whatever the command is called")
  func process() throws {
    let plain = try #require(ProcText.process(Self.process))
    #expect(plain == (46, 413))
    let odd = try #require(ProcText.process(Self.process.replacing("(cat)", with: "(a) R 1 2 (b c)")))
    #expect(odd == (46, 413))
    #expect(ProcText.process("30556 (cat) R 1 2") == nil)
    #expect(ProcText.process("") == nil)
  }

  @Test("/proc/pressure/cpu: microseconds in which some task waited")
  func pressure() {
    #expect(ProcText.stalled(Self.pressure) == 2_982_307_632)
    #expect(ProcText.stalled("full avg10=0.00 total=5") == nil)
  }

  @Test("/proc/net/dev: all interfaces but loopback, also where no space follows the colon")
  func network() {
    #expect(ProcText.traffic(Self.network) == (343_615_400, 333_060))
  }

  @Test("what is missing counts as nothing")
  func missing() {
    let sample = MachineSample(stat: "", processes: ["", "nonsense"], pressure: nil, network: "")
    #expect((sample.busyTicks, sample.allTicks, sample.ownTicks, sample.ownMemory) == (0, 0, 0, 0))
    #expect(sample.stalledMicroseconds == nil && sample.received == 0 && sample.sent == 0)
  }

  @Test("a meter follows a rate within seconds, and is not fooled by a counter that begins anew")
  func meter() {
    var meter = RateMeter()
    for second in 0...15 { meter.read(UInt64(second) * 1_000, at: .zero + .seconds(second)) }
    #expect(abs(meter.rate - 1_000) < 10)
    meter.read(0, at: .zero + .seconds(16))
    #expect(abs(meter.rate - 1_000) < 10)
    for second in 17...35 { meter.read(0, at: .zero + .seconds(second)) }
    #expect(meter.rate < 10)
  }
}
