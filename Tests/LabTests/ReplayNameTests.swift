import Testing

@testable import Lab

@Suite("The name of a scenario of the swarm") struct ReplayNameTests {
  @Test(
    "a name that no replay has is none",
    arguments: ["", "-", "139-", "139--n", "139-nonsense", "139-f", "139-f+1", "139-f01", "+139", "139-sX", "x"])
  func noName(_ text: String) { #expect(ReplayName(text) == nil) }

  @Test("a step that leads nowhere is told with what there is")
  func strayStep() throws {
    let name = try #require(ReplayName("139-c-f99"))
    let faults = ScenarioMaker.scenario(seed: 139).faults.count
    let error = try #require(throws: ScenarioError.self) { try name.exactScenario() }
    #expect(
      error.description.hasPrefix(
        "139-c-f99: f99 leads nowhere; allowed: what shortens 139-c, which has \(faults) faults from f0 to f\(faults - 1)"
      ))
    let good = try #require(ReplayName("139-c-n-f0"))
    #expect(try good.exactScenario() == good.scenario && good.scenario != ScenarioMaker.scenario(seed: 139))
  }
}
