// tidemark profile: who somebody is, and everything that is known of them.
#include "cli/live_profiles.h"
#include "cli/output.h"
#include "cli/profile_deletion.h"
#include "cli/profile_verbs.h"
#include "cli/warehouse_access.h"
#include "profiles/profile_export.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

struct Asked {
  std::string id, profiles;
};

Result<ExitCode> tell(const Invocation& invocation, const Asked& asked,
                      const std::vector<std::string>& only) {
  config::Project project = TRY(invocation.load_project());
  profiles::ProfileFiles files = profiles::load_profiles(project.root, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  const profiles::Definition* definition = files.find(TRY(profiles_meant(project, asked.profiles)));
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  std::string profile = TRY(profiles::find_profile(client, *definition, asked.id));
  if (profile.empty())
    return fail(ErrorKind::config, fmt::format("nobody is known as `{}`", asked.id),
                "an id with its kind, like user_id:42 or email:ann@example.com, or a profile_id");
  auto parts = TRY(profiles::export_parts(client, *definition, TRY(event_tables_of(*definition, project))));
  print_out(TRY(profiles::export_profile(client, *definition, profile, parts, only)));
  return ExitCode::ok;
}

}  // namespace

Run add_profile(CLI::App& command) {
  auto asked = std::make_shared<Asked>();
  command.require_subcommand(1);
  CLI::App* show = command.add_subcommand("show", "a person's row and ids, as JSON");
  CLI::App* everything =
      command.add_subcommand("export", "everything that is known of a person, as one JSON object");
  for (CLI::App* one : {show, everything}) {
    one->add_option("id", asked->id, "user_id:42, email:ann@example.com, ... or a profile_id")->required();
    one->add_option("--profiles", asked->profiles, "which, when the project has several: cdp.profiles");
  }
  auto change = add_profile_deletions(command);
  return [asked, show, change](const Invocation& invocation) -> Result<ExitCode> {
    if (auto changed = change(invocation)) return std::move(*changed);
    return tell(invocation, *asked,
                show->parsed() ? std::vector<std::string>{"profile", "ids"} : std::vector<std::string>());
  };
}

}  // namespace tidemark::cli
