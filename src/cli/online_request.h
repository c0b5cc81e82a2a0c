// Asks the running project to change models, shows how it gets on, returns when it is done. The verbs apply,
// backfill and rollback are thin shells around it.
#pragma once

#include "cli/deploy_request.h"
#include "cli/running_instance.h"

namespace tidemark::cli {

struct DeployAnswer {
  std::string plan_text, plan_json;
};

// Errors: those of the deployment; dependency_down when the process goes away meanwhile (the deployment goes
// on when it is started again).
Result<DeployAnswer> request_deployment(const RunningInstance& running, const DeployRequest& request,
                                        bool quiet);

}  // namespace tidemark::cli
