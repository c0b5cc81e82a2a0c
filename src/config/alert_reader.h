// The loader's part for alerts/*.yaml.
#pragma once

#include "config/alert.h"
#include "config/destination.h"
#include "config/webhook_source.h"
#include "config/yaml_reader.h"

#include <filesystem>
#include <vector>

namespace tidemark::config {

// Adds what the file says to `alerts`, and everything that is wrong to the report.
void load_alert(Reader reader, const std::filesystem::path& file, std::vector<Alert>& alerts);
// What can only be seen with everything loaded: names used twice; models, endpoints, sources and destinations
// that there are not. Alerts over endpoints get their SQL here.
void check_alerts(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks,
                  const std::vector<Destination>& destinations, std::vector<Alert>& alerts);

}  // namespace tidemark::config
