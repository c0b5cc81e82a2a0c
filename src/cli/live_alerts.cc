#include "cli/live_alerts.h"

#include "clickhouse/schema.h"

namespace tidemark::cli {

Result<std::unique_ptr<alerts::AlertService>> make_alerts(AlertWorld world) {
  auto list = TRY(config::load_alerts(world.project));
  bool known = !list.empty() || TRY(clickhouse::table_exists(*world.pool.lease(), "tidemark", "alerts"));
  if (!known) return nullptr;
  alerts::AlertHooks hooks;
  hooks.pipeline = std::move(world.pipeline);
  hooks.audits = [audits = std::move(world.audits)] {
    std::vector<alerts::AuditReading> readings;
    for (const auto& audit : audits())
      readings.push_back({.model = audit.model, .known = audit.known, .failing = audit.failing});
    return readings;
  };
  hooks.lineage = [&models = world.models](const std::string& sql) { return models.tables_of(sql); };
  hooks.leads = std::move(world.leads);
  hooks.while_whole = [&gate = world.gate](const std::function<Status()>& action) {
    return gate.run(action);
  };
  hooks.in_order = [&segments = world.segments](const std::function<Status(uint64_t&)>& write) {
    return segments.in_order(write);
  };
  auto* deliveries = world.deliveries;
  if (deliveries != nullptr) hooks.told = [deliveries] { deliveries->wake(); };
  auto service = std::make_unique<alerts::AlertService>(
      std::move(list), world.pool, std::move(world.reader),
      deliveries != nullptr ? &deliveries->outbox() : nullptr, std::move(hooks));
  TRY_VOID(service->prepare());
  return service;
}

}  // namespace tidemark::cli
