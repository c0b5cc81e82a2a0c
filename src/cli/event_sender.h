// Posts events to a running project, as an SDK does (docs/EVENTS.md): in batches, and again while nobody
// answers or there is no room. Events carry their messageId, so what is posted twice counts once.
//
// One thread at a time.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <atomic>
#include <string>
#include <vector>

namespace tidemark::cli {

class EventSender {
 public:
  // `url`: of the project's page. An empty one is nowhere: sending is refused.
  EventSender(std::string url = {}, Secret write_key = {})
      : url_(std::move(url)), write_key_(std::move(write_key)) {}

  // `events`: JSON objects with their type. Ends early and with ok when `stop` is set. Errors:
  // dependency_down when nobody has taken them for a minute; refused (the key, an event).
  Status send(const std::vector<std::string>& events, const std::atomic<bool>& stop);

 private:
  Status send_batch(const std::string& body, const std::atomic<bool>& stop);

  std::string url_;
  Secret write_key_;
};

}  // namespace tidemark::cli
