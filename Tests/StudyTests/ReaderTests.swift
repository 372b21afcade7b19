import Foundation
import Lab
import Testing

@testable import Study

@Suite struct ReaderTests {
  private func refusal(_ text: String) -> StudyError? {
    do throws(StudyError) {
      _ = try Experiment(text: text, file: "x.yaml")
      return nil
    } catch { return error }
  }

  @Test("what is not said has its default; what is said is what is run")
  func reads() throws {
    let experiment = try Experiment(
      text: """
        title: T
        question: "one\\n\\ntwo"
        nodes: 12
        mix: [{share: 30%, up: 20mbit, disk: 4ms}, {share: 70%, slots: 2}]
        topology: {plane: {side: 40ms, least: 500us}}
        weather: {loss: 2%, jitter: 3ms}
        warmup: 10s
        lasts: 1min
        requests: {at: [1s, 2500ms], sources: 3, popularity: 0.8, length: 4s}
        faults: [{what: partition, at: 5s, lasts: 2s, share: 25%}]
        churn: {rate: 6/min, session: 30s}
        storms: [{at: 3s, count: 5}]
        strategies: [nearest, raft]
        attackers: 0.1
        runs: 7
        seed: 9
        """, file: "x.yaml")
    #expect(experiment.question == ["one", "two"] && experiment.runs == 7 && experiment.seed == 9)
    guard case .elections(let study) = experiment.form else { return #expect(Bool(false)) }
    #expect(study.nodes == 12 && study.mix[0].machine.up == 20_000_000 && study.mix[0].machine.disk == 4)
    #expect(study.topology == .plane(side: 40, least: 0.5) && study.weather.loss == 0.02 && study.lasts == 60)
    #expect(study.load.rate == nil && study.load.times == [1, 2.5] && study.attackers == 0.1)
    #expect(study.faults[0].what == .partition && study.faults[0].share == 0.25)
    #expect(study.churn == .poisson(rate: 0.1, session: 30, crashing: 0.5) && study.storms[0].within == 1)
    #expect(study.strategies == [.nearest, .raft])
  }

  @Test(
    "a mistake is told with its line, its field and what is allowed",
    arguments: [
      ("nodes: 5\nnods: 6", 2, "nods", "there is no such field"),
      ("study: voting", 1, "study", "elections, leaderFailure"),
      ("title: x\nwarmup: 5", 2, "warmup", "as 250ms, 1.5s"),
      ("requests:\n  rate: 3", 2, "requests.rate", "as 2/s"),
      ("requests:\n  rate: 3/s\n  at: [1s]", 3, "requests.at", "either a rate or times"),
      ("strategies:\n- nearest\n- loudest", 3, "strategies[1]", "rendezvous, sortition"),
      ("topology: {matrix: {file: a}}", 1, "topology.matrix.unit", "s, ms, us"),
      ("topology: {sphere: 3}", 1, "topology.sphere", "plane, transitStub, matrix"),
      ("churn: {rate: 1/s}", 1, "churn.session", "is missing"),
      ("attackers: 120%", 1, "attackers", "from 0 to 1"),
      ("study: liars\nchurn: {rate: 1/s, session: 3s}", 2, "churn", "nodes, shares, sizes"),
      ("faults: [{what: rain}]", 1, "faults[0].at", "is missing"),
      ("mix: 7", 1, "mix", "no list"),
      ("topology: {plane: {side: 1ms}, matrix: {file: a, unit: ms}}", 1, "topology", "names plane and matrix"),
      ("strategies: [raft, bully, raft]", 1, "strategies[2]", "each once"),
      ("study: liars\nshares: [5%, 0.05]", 2, "shares[1]", "each once"),
      ("lasts: 3s\nrequests: {at: [3s, 90s]}", 2, "requests.at[1]", "at most lasts, 3.0 s"),
      ("nodes: 0", 1, "nodes", "from 1 to"),
    ])
  func mistakes(text: String, line: Int, field: String, said: String) throws {
    let error = try #require(refusal(text))
    #expect(error.line == line && error.field == field && error.description.contains(said), "\(error)")
    #expect(error.description.hasPrefix("x.yaml:\(line): \(field): "))
  }

  @Test("a file that is no YAML, or not there, is told so")
  func broken() {
    #expect(refusal("a: [")?.description.contains("is not YAML") == true)
    #expect(refusal("")?.description.contains("has no fields") == true)
    #expect(throws: StudyError.self) { try Experiment(file: "/nowhere.yaml") }
  }

  @Test("a trace of comings and goings becomes stays; what contradicts itself is told with its line")
  func churnTrace() throws {
    let trace = try ChurnTrace(
      text: "# an overlay\n5 join a\n7.5 join b\n9 crash a\n\n20 join a  # again\n30 leave b\n", file: "t")
    #expect(
      trace.machines == [
        [.init(from: 5, to: 9, crashed: true), .init(from: 20, to: nil, crashed: false)],
        [.init(from: 7.5, to: 30, crashed: false)],
      ])
    for (text, line) in [
      ("1 join a\n2 join a", 2), ("1 leave a", 1), ("1 join a\n2 leave a\n3 crash a", 3), ("x join a", 1), ("", 0),
    ] {
      do throws(StudyError) {
        _ = try ChurnTrace(text: text, file: "t")
        Issue.record("“\(text)” was taken")
      } catch { #expect(error.line == (line > 0 ? line : nil)) }
    }
  }

  @Test("a course is the same for each strategy, and who comes and goes does so as asked")
  func course() {
    var study = ElectionStudy()
    study.nodes = 10
    study.churn = .poisson(rate: 0.5, session: 20, crashing: 0.5)
    study.storms = [.init(at: 3, count: 4, within: 2)]
    study.faults = [.init(what: .partition, at: 5, lasts: 2, share: 0.3, by: 0)]
    study.attackers = 0.2
    study.load.popularity = 1.2
    study.load.rate = 20
    let course = Course(study, seed: 4)
    #expect(course.scenario == Course(study, seed: 4).scenario && course.scenario != Course(study, seed: 5).scenario)
    #expect(course.population.nodes == 10 && Set(course.population.attackers).count == 2)
    #expect(course.population.attackers.allSatisfy { (0..<10).contains($0) })
    #expect(course.scenario.nodes[10..<14].allSatisfy { (23...25).contains($0.startsAt) })
    let newcomers = course.scenario.nodes.count - 14
    #expect((10...45).contains(newcomers), "a Poisson process of 25 in the mean")
    let popular = course.scenario.requests.count { $0.source == 0 }
    #expect(popular > course.scenario.requests.count / 5)
    guard case .partition(let inside)? = course.scenario.faults.last?.kind else { return #expect(Bool(false)) }
    #expect(inside.count == 3)
  }
}
