// The addresses that existing SDKs send to, on the project's own HTTP server: what a request of each looks
// like and what its client wants to hear. A write key says which source it is for. docs/EVENTS.md is the
// reference.
//
// Threads: handlers run on the server's workers; answers come from the spools' writers, when the events are
// on disk.
#pragma once

#include "ingest/event_door.h"

#include <memory>
#include <vector>

namespace tidemark::http {
class Server;
}

namespace tidemark::ingest {

using EventDoors = std::vector<std::shared_ptr<EventDoor>>;

// Before the server starts; the doors must be closed before the server goes.
void add_event_routes(http::Server& server, const EventDoors& doors);

}  // namespace tidemark::ingest
