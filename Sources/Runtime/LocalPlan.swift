import Base
import Composition
import Foundation
import Identity
import NIOCore
import NIOPosix
import Streams
import Transport
import Vocabulary
import Wire

/// What the builder makes of a request on a local file: `millrace plan`. Runs nothing but a probe.
public enum LocalPlan {
  /// - Throws: `BuildError`, `WorkerFault` or ``ConfigurationError``, each of which says what to mend.
  public static func make(request: String, source: String) async throws -> GraphListing {
    guard let document = FileManager.default.contents(atPath: request) else {
      throw ConfigurationError(request, "cannot be read")
    }
    // The file stands in for the request's source, whoever shares that: NODE in the requests that ship is nobody yet.
    let standIn = SourceReference(node: NodeID(.zero), path: "source")
    let asked: ServiceRequest
    do { asked = try ServiceRequest(document: [UInt8](document), source: standIn) } catch {
      throw ConfigurationError(request, "\(error)")
    }
    guard FileManager.default.fileExists(atPath: source) else { throw ConfigurationError(source, "no such file") }
    let description = try await probe(URL(fileURLWithPath: source).path)
    return GraphListing(try GraphBuilder.graph(for: asked, on: description), file: source)
  }

  private static func probe(_ path: String) async throws -> SourceDescription {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let promise = loop.makePromise(of: SourceDescription.self)
    loop.execute {
      do {
        let worker = try WorkerChannel.start(WorkerExecutable.path, on: loop)
        worker.listen { event in
          switch event {
          case .received(let bytes):
            switch try? WorkerRemark(validating: bytes) {
            case .probed(let source): promise.succeed(source)
            case .report(.failure(let fault)): promise.fail(fault)
            default: break
            }
          case .drained: break
          case .ended(let exit, _):
            promise.fail(WorkerFault(kind: "internal", stage: nil, message: "the probe \(exit)"))
          }
        }
        worker.send(WireToWorker.with { $0.probe = .with { $0.path = path } }.wireBytes)
      } catch { promise.fail(error) }
    }
    return try await promise.futureResult.get()
  }
}
