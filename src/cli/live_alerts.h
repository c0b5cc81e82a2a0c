// The alerts of a running project, tied to its sources, models, audits, segments and destinations.
#pragma once

#include "cli/live_models.h"
#include "cli/live_segments.h"
#include "serve/live_server.h"

#include <memory>

#include "alerts/alert_service.h"

namespace tidemark::cli {

// All must outlive the service, and stay callable until it has stopped.
struct AlertWorld {
  const config::Project& project;
  clickhouse::ClientPool& pool;
  clickhouse::Endpoint reader;
  notify::DeliveryService* deliveries = nullptr;  // null: there are no destinations
  LiveModels& models;
  LiveSegments& segments;
  ingest::PartsGate& gate;
  std::function<ingest::PipelineStatus()> pipeline;
  std::function<std::vector<serve::AuditStatus>()> audits;
  std::function<bool()> leads;
};

// Null: the project has no alerts and never had. Errors: config for alerts that are wrong; those of the
// warehouse.
Result<std::unique_ptr<alerts::AlertService>> make_alerts(AlertWorld world);

}  // namespace tidemark::cli
