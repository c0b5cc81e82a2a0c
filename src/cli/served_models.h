// What the page shows of models beside what watches them: refresh models' runs, and what is being filled.
#pragma once

#include "cli/model_desk.h"
#include "models/refresh_service.h"
#include "serve/live_server.h"

#include <vector>

namespace tidemark::cli {

void add_refresh_status(std::vector<serve::ModelStatus>& list, const models::RefreshService& refreshes);
// What is being filled, under the name it will have.
void add_building(std::vector<serve::ModelStatus>& list, const ModelDesk& desk);

}  // namespace tidemark::cli
