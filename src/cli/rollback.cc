// tidemark rollback: the version of a model that was replaced last takes its name back, at once.
#include "cli/model_change.h"
#include "cli/output.h"

#include <CLI/CLI.hpp>

namespace tidemark::cli {

Run add_rollback(CLI::App& command) {
  auto request = std::make_shared<DeployRequest>();
  request->action = DeployRequest::Action::rollback;
  command.add_option("model", request->model, "database.model")->required();
  return [request](const Invocation& invocation) -> Result<ExitCode> {
    config::Project project = TRY(invocation.load_project());
    TRY_VOID(change_models(invocation, project, *request));
    if (invocation.json)
      print_out("{\"rolled_back\": \"" + request->model + "\"}\n");
    else
      print_out(request->model +
                " is the version before again. Put its definition back into the file, or the next apply goes "
                "forward again.\n");
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
