import Base
import Core
import Foundation
import Portal
import Store
import Streams
import Transport
import Vocabulary
import Wire

// Worker processes: groups of the node, probes of the share, the calibration of the machine.

extension PeerLoop {
  // MARK: - Workers

  func startWorker(_ id: WorkerID, _ job: WorkerJob, source: String?) {
    var path = ""
    if let source {
      switch share.file(at: source) {
      case .success(let file): path = file.path
      case .failure(let fault): return loop.execute { [weak self] in self?.take(.worker(id, .failure(fault))) }
      }
    }
    do {
      let channel = try pool.take { [weak self] event in self?.onWorker(id, event) }
      workers[id] = RunningWorker(channel)
      channel.send(job.wireStart(sourcePath: path).wireBytes)
    } catch {
      loop.execute { [weak self] in self?.take(.workerDied(id, "\(error)")) }
    }
  }

  private func onWorker(_ id: WorkerID, _ event: WorkerEvent) {
    switch event {
    case .received(let bytes):
      do {
        switch try WorkerRemark(validating: bytes) {
        case .report(let report): take(.worker(id, report))
        case .progress(let due, let late, _, _): take(.workerProgress(id, due: due, late: late))
        case .ready, .probed, .calibrated: break
        }
      } catch {
        workers[id]?.channel.kill()
      }
    case .drained: break
    case .ended(let exit, let garbage):
      workers[id] = nil
      take(.workerDied(id, garbage ?? "\(exit)"))
    }
  }

  func probe(_ path: String) {
    switch share.file(at: path) {
    case .failure(let fault): loop.execute { [weak self] in self?.take(.probed(path: path, .failure(fault))) }
    case .success(let file):
      if let known = share.description(of: path, stamp: file.stamp) {
        return loop.execute { [weak self] in self?.take(.probed(path: path, .success(known))) }
      }
      ask(.with { $0.probe = .with { $0.path = file.path } }) { [weak self] remark in
        guard let self else { return }
        switch remark {
        case .probed(let source):
          share.remember(source, of: path, stamp: file.stamp)
          take(.probed(path: path, .success(source)))
        case .report(.failure(let fault)):
          let told = WorkerFault(
            kind: fault.kind, stage: nil, message: "“\(path)”: \(fault.message.replacing(file.path, with: path))")
          take(.probed(path: path, .failure(told)))
        default:
          take(
            .probed(
              path: path,
              .failure(
                WorkerFault(kind: "internal", stage: nil, message: "“\(path)”: the probe ended without an answer"))))
        }
      }
    }
  }

  /// A worker's one answer to one question; nil when it ended without.
  private func ask(_ question: WireToWorker, _ answer: @escaping (WorkerRemark?) -> Void) {
    var isAnswered = false
    func settle(_ remark: WorkerRemark?) {
      guard !isAnswered else { return }
      isAnswered = true
      answer(remark)
    }
    do {
      var worker: WorkerChannel?
      worker = try pool.take { event in
        switch event {
        case .received(let bytes):
          guard let remark = try? WorkerRemark(validating: bytes) else { return }
          if case .ready = remark { return }
          if case .progress = remark { return }
          settle(remark)
          worker?.kill()
        case .drained: break
        case .ended: settle(nil)
        }
      }
      worker?.send(question.wireBytes)
    } catch { settle(nil) }
  }

  /// Measures this machine once and keeps it.
  func calibrate() {
    if let bytes = database.contents.calibration, let kept = try? WorkerRemark(validating: bytes),
      case .calibrated(let decode, let encode, let filter) = kept
    {
      return take(.calibrated(decode: decode, encode: encode, filter: filter))
    }
    ask(.with { $0.calibrate = .init() }) { [weak self] remark in
      guard let self, case .calibrated(let decode, let encode, let filter) = remark else { return }
      let wire = WireFromWorker.with {
        $0.calibrated = .with {
          $0.decodeRate = decode
          $0.encodeRate = encode
          $0.filterRate = filter
        }
      }
      database.append([.calibrate(wire.wireBytes)])
      take(.calibrated(decode: decode, encode: encode, filter: filter))
    }
  }
}
