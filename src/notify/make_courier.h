// From a destination as the project has it to one that can be set to work.
#pragma once

#include "config/destination.h"
#include "notify/courier.h"
#include "notify/feed.h"

#include <memory>

namespace tidemark::notify {

struct MadeCourier {
  CourierOptions options;
  std::shared_ptr<Feed> feed;  // of kind sse
};

// `stop` must outlive what is made. Errors: config (a secret that cannot be read as one).
Result<MadeCourier> make_courier(const config::Destination& destination, Outbox& outbox,
                                 const std::atomic<bool>& stop);

}  // namespace tidemark::notify
