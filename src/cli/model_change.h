// What the verbs that change models have in common: ask the running project, or do it here when nothing runs.
//
// Here means: with the project's lock held, so that no `up` begins meanwhile, and only after a stop in peace,
// because rows of a cut that was cut short would be counted by the backfill and again by its replay.
#pragma once

#include "cli/deploy_request.h"
#include "cli/verb.h"

namespace tidemark::cli {

struct ModelChange {
  std::string plan_text, plan_json;  // what was done
};

// Errors: those of the deployment; config when models have mistakes; conflict when a project is just
// starting.
Result<ModelChange> change_models(const Invocation& invocation, const config::Project& project,
                                  const DeployRequest& request);

}  // namespace tidemark::cli
