// Gives public names back to the versions that were replaced last.
//
// Models over it that the same run changed go back together with it, at one barrier: a view holds the text of
// the views it reads (compiler.h), and a store what it was filled by. One of these that was changed later
// stands in the way, and so does one that has no version before any more. A view over a store reads its
// public name and follows by itself, when the columns it may read are there.
//
// All versions that swap have been fed all the time, so the numbers are exact at once. Rolling back twice is
// going forward again.
#pragma once

#include "models/model_state.h"
#include "models/plan.h"

namespace tidemark::models {

// The models that went back, that of the call first. Errors: refused, naming what stands in the way.
Result<std::vector<std::string>> rollback(clickhouse::Client& client, const std::string& model,
                                          const DeploymentHooks& hooks = {});

}  // namespace tidemark::models
