// Alerts over HTTP: GET /api/alerts, GET /api/alerts/{name}/history; their part of the status and of the
// metrics.
#pragma once

#include "http/server.h"

#include <string>
#include <vector>

#include "alerts/alert_facts.h"

namespace tidemark::alerts {
class AlertService;
}

namespace tidemark::serve {

// Null: there are none.
void add_alert_routes(http::Server& server, alerts::AlertService* service);

// What the status says of them, JSON: [{"alert","severity","state","since_ms","error"}].
std::string alerts_in_status(const std::vector<alerts::AlertFacts>& alerts);
std::string alert_metrics(const std::vector<alerts::AlertFacts>& alerts);

}  // namespace tidemark::serve
