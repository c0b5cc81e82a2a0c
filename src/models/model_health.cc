#include "models/model_health.h"

namespace tidemark::models {

std::map<std::string, ModelHealth> health_of(const CompiledModels& models,
                                             const std::vector<AuditState>& audits) {
  std::map<std::string, ModelHealth> all;
  for (const auto& model : models.models) all[model.name];
  for (const auto& audit : audits) {
    if (auto found = all.find(audit.model); found != all.end()) found->second.audits.push_back(audit);
    if (audit.severity != config::AuditSeverity::blocking || !audit.known || audit.passed()) continue;
    std::vector<std::string> hit = models.downstream_of(audit.model);
    hit.push_back(audit.model);
    for (const auto& name : hit) {
      auto found = all.find(name);
      if (found == all.end()) continue;
      ModelHealth& health = found->second;
      // The one that failed first explains.
      if (health.failed && health.since_micros <= audit.since_micros) continue;
      health.failed = true;
      health.since_micros = audit.since_micros;
      health.cuts = audit.cuts;
      health.reason = fmt::format("audit {} of {} {}", audit.audit, audit.model,
                                  audit.error.empty() ? fmt::format("fails for {} rows", audit.failing)
                                                      : "cannot be asked: " + audit.error);
    }
  }
  return all;
}

}  // namespace tidemark::models
