import Base

/// When something is to happen, and to whom. Of what happens to a peer at one instant, the asker's number and then the order in which it
/// asked decide: so the course does not depend on how peers are spread over threads.
struct Appointment: Comparable {
  /// Nanoseconds of the simulation.
  var at: Int64
  /// The peer that asked for it.
  var asker: Int32
  /// How many the asker had asked for before.
  var order: UInt32
  /// The peer that it happens to.
  var peer: Int32
  /// Where what happens lies.
  var slot: Int32 = 0

  static func < (a: Appointment, b: Appointment) -> Bool {
    if a.at != b.at { return a.at < b.at }
    return a.asker != b.asker ? a.asker < b.asker : a.order < b.order
  }
}

/// What is to happen, in days of equal length (Brown, Communications of the ACM, 1988): a day's appointments are put in order when it comes.
/// With hundreds of thousands of them a heap misses the cache at every step of its way; here an appointment is written once and sorted among
/// a few hundred.
struct CalendarQueue<Happening> {
  /// Nanoseconds of a day.
  let day: Int64
  private var days: [[Appointment]]
  /// Beyond the year of ``days``.
  private var later: [Appointment] = []
  /// The day that is being worked on, and how much of it is done.
  private var today: [Appointment] = []
  private var done = 0
  private(set) var number: Int64 = 0
  private var happenings: [Happening?] = []
  private var free: [Int32] = []
  /// Appointments that wait, today's done ones and those withdrawn not among them.
  private(set) var count = 0

  private static var year: Int { 1 << 13 }

  /// - Parameter day: nanoseconds, at least 1.
  init(day: Int64) {
    self.day = day
    days = Array(repeating: [], count: Self.year)
  }

  /// - Returns: what it is withdrawn by, as long as it waits.
  @discardableResult
  mutating func add(_ appointment: Appointment, _ happening: consuming Happening) -> Int32 {
    var appointment = appointment
    count += 1
    if let slot = free.popLast() {
      appointment.slot = slot
      happenings[Int(slot)] = happening
    } else {
      appointment.slot = Int32(happenings.count)
      happenings.append(happening)
    }
    let when = appointment.at / day
    if when <= number {
      insertToday(appointment)
    } else if when < number + Int64(Self.year) {
      days[Int(when) & (Self.year - 1)].append(appointment)
    } else {
      later.append(appointment)
    }
    return appointment.slot
  }

  /// One that waits shall not happen. Its place in its day stays until then.
  mutating func withdraw(_ slot: Int32) {
    happenings[Int(slot)] = nil
    count -= 1
  }

  private mutating func insertToday(_ appointment: Appointment) {
    var (low, high) = (done, today.count)
    while low < high {
      let middle = (low + high) / 2
      if today[middle] < appointment { low = middle + 1 } else { high = middle }
    }
    today.insert(appointment, at: low)
  }

  /// The next of today; nil when the day is over.
  mutating func next() -> (Appointment, Happening)? {
    while done < today.count {
      let appointment = today[done]
      done += 1
      free.append(appointment.slot)
      guard let happening = happenings[Int(appointment.slot)].take() else { continue }
      count -= 1
      return (appointment, happening)
    }
    return nil
  }

  /// The next day begins.
  mutating func turn() {
    today.removeAll(keepingCapacity: true)
    done = 0
    number += 1
    swap(&today, &days[Int(number) & (Self.year - 1)])
    today.sort()
    if Int(number) & (Self.year / 4 - 1) == 0 { comeNearer() }
  }

  private mutating func comeNearer() {
    let end = number + Int64(Self.year)
    for appointment in later where appointment.at / day < end {
      days[Int(appointment.at / day) & (Self.year - 1)].append(appointment)
    }
    later.removeAll { $0.at / day < end }
  }
}
