// Destinations over HTTP: what they are doing, dead letters, feeds; and, for who has the project's token,
// test, resume, replay, retry and drop.
#pragma once

#include "http/server.h"
#include "notify/delivery_service.h"

#include <functional>
#include <optional>
#include <string>

namespace tidemark::serve {

// Nothing: the request may change something.
using RefuseControl = std::function<std::optional<http::Response>(const http::Request&)>;

// `service` may be null: the project has no destinations. It must outlive the server.
void add_notification_routes(http::Server& server, notify::DeliveryService* service, RefuseControl refuse);

// The list of `destinations` in the status, as JSON.
std::string destinations_document(const std::vector<notify::DestinationFacts>& destinations);
std::string notification_metrics(const std::vector<notify::DestinationFacts>& destinations);

}  // namespace tidemark::serve
