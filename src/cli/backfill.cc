// tidemark backfill: fills a model anew beside the one there is, and puts it in its place.
#include "cli/model_change.h"
#include "cli/output.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_backfill(CLI::App& command) {
  auto request = std::make_shared<DeployRequest>();
  request->action = DeployRequest::Action::backfill;
  command.add_option("model", request->model, "database.model")->required();
  command.add_option("--partition", request->partitions,
                     "only these partitions of its partition_by; all others are taken over as they are");
  return [request](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    ModelChange change = TRY(change_models(invocation, project, *request));
    print_out(invocation.json ? change.plan_json + "\n" : change.plan_text);
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
