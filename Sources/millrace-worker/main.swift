import Foundation
import Media

// Started by a node, which holds the other end of descriptor 3.
exit(MediaWorker.run(descriptor: 3))
