// How notifications get to one kind of destination. A carrier makes one try and says what came of it; order,
// retries and books are the business of others (delivery_queue.h, courier.h).
//
// One thread each; a destination with several connections has several carriers. carry() may block, bounded
// by the carrier's own timeout, and less when `stop` (given to whoever made it) is set.
#pragma once

#include "notify/notification.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tidemark::notify {

class Carrier {
 public:
  virtual ~Carrier() = default;
  // Precondition: not empty, in the order of seq.
  virtual Outcome carry(const std::vector<Notification>& notifications) = 0;
};

using MakeCarrier = std::function<std::unique_ptr<Carrier>()>;

// Texts that must not be shown: what a receiver answers may repeat what was sent to it.
class Redaction {
 public:
  void add(std::string text);
  // Cut to limits::answer_excerpt_bytes_max, one line, valid UTF-8.
  std::string excerpt(std::string_view text) const;

 private:
  std::vector<std::string> texts_;
};

}  // namespace tidemark::notify
