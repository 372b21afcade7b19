import Base
import Identity
import Streams
import Vocabulary
import Wire

// The files that this node shares: looked at for whoever asks, and read by the groups whose output they make.

extension Node {
  // MARK: - Looked at

  /// Has a file looked at, once for all who wait for it.
  mutating func lookAt(_ path: String) {
    guard (sources.waiting[path]?.count ?? 0) + (sources.held[path]?.count ?? 0) == 1 else { return }
    effectsOut.append(.probe(path: path))
  }

  mutating func onProbed(_ path: String, _ result: Result<SourceDescription, WorkerFault>) {
    let askers = sources.waiting.removeValue(forKey: path) ?? []
    let answer: WireSourceResolved
    switch result {
    case .success(let source):
      let (record, forgotten) = sources.learn(path, source)
      if let forgotten { effectsOut.append(.forget([forgotten])) }
      if let record { persist([record], then: .ballots([])) }
      let statement = Signed(SourceStatement(path: path, source: source, wall: wall), by: keys)
      answer = .with { $0.description_p = statement.envelope.wire }
    case .failure(let fault):
      if let name = sources.lose(path) { effectsOut.append(.forget([name])) }
      answer = .with {
        $0.problem = .with {
          $0.kind = fault.kind
          $0.detail = fault.message
        }
      }
    }
    for asker in askers {
      var mine = answer
      mine.token = asker.token
      send(.with { $0.service = .with { $0.resolved = mine } }, to: asker.node)
    }
    resumeReaders(of: path)
  }

  // MARK: - Read

  /// A source stage reads the file whose content makes the group's output key: an assignment cannot name a path.
  mutating func startWorker(_ worker: WorkerID, _ job: WorkerJob) {
    guard job.spec.stages.contains(where: { $0.component.hasPrefix("source.") }) else {
      return effectsOut.append(.startWorker(worker, job, source: nil))
    }
    guard let path = sources.path(making: job.spec, catalogue: catalogue) else {
      guard let path = sources.rememberedPath(making: job.spec, catalogue: catalogue) else {
        return missSource(of: worker, job)
      }
      sources.hold(worker, job, for: path)
      return lookAt(path)
    }
    effectsOut.append(.startWorker(worker, job, source: path))
  }

  private mutating func missSource(of worker: WorkerID, _ job: WorkerJob) {
    let fault = WorkerFault(
      kind: "source_missing", stage: nil,
      message: "no file of this node's share makes stream \(job.spec.output.short)…")
    stream(.worker(worker, .failure(fault)))
  }

  /// What waited for a file that was remembered from before a restart: the same content is read, another is not.
  mutating func resumeReaders(of path: String) {
    for held in sources.release(path) {
      guard sources.path(making: held.job.spec, catalogue: catalogue) != nil else {
        missSource(of: held.worker, held.job)
        continue
      }
      startWorker(held.worker, held.job)
      effectsOut += held.commands.map { .toWorker(held.worker, $0) }
    }
  }
}
