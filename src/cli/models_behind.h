// Which deployed models do not fit a mirrored table any more that changed its columns: they name a column
// that is gone or called otherwise, or they would have other columns if they were made now. What they hold
// goes on to be kept (a renamed column under its old name, a dropped one as empty); they are named so that
// nobody takes that for the whole truth.
#pragma once

#include "clickhouse/client.h"
#include "ingest/pipeline_status.h"
#include "models/compiled_model.h"

namespace tidemark::cli {

// In words, for the status of the table ("bronze.x"); empty when all fit.
std::string models_behind(clickhouse::Client& client, const models::CompiledModels& models,
                          const std::string& table);

// Tables that are dropped at their source keep their rows; who reads those is said beside them.
ingest::PipelineStatus with_readers_of_dropped(ingest::PipelineStatus status,
                                               const models::CompiledModels& models);

}  // namespace tidemark::cli
