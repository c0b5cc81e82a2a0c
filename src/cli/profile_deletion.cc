#include "cli/profile_deletion.h"

#include "cli/api_request.h"
#include "cli/live_erasures.h"
#include "cli/output.h"
#include "cli/warehouse_access.h"
#include "clickhouse/schema.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <thread>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Asked {
  std::string id, other, profiles, reason;
  bool yes = false;
};

constexpr std::chrono::milliseconds ask_again_every{100};

Result<std::vector<profiles::Deletion>> deletions(const config::Project& project) {
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::ClientPool pool(warehouse.endpoint(clickhouse::Account::tidemark), 1);
  if (!TRY(clickhouse::table_exists(*pool.lease(), "tidemark", "deletions")))
    return std::vector<profiles::Deletion>();
  return profiles::DeletionStore(pool).all();
}

std::string address(const std::string& profiles, const Asked& asked, const char* action) {
  return fmt::format("/api/profiles/{}/{}/{}", percent_encode(profiles), percent_encode(asked.id), action);
}

Result<ExitCode> remove(const Invocation& invocation, const Asked& asked) {
  config::Project project = TRY(invocation.load_project());
  std::string of = TRY(profiles_meant(project, asked.profiles));
  if (!asked.yes)
    return fail(ErrorKind::usage,
                fmt::format("this removes everything that is known of {} for good", asked.id),
                "look at it with `tidemark profile export`, then add --yes");
  auto begun =
      TRY(tell_api(project.root, address(of, asked, "delete") + "?reason=" + percent_encode(asked.reason)));
  auto number = begun.at("deletion").to_number<uint64_t>();
  // Whoever is told that it goes on hears of its end here; it ends without us, too.
  while (true) {
    for (const auto& one : TRY(deletions(project)))
      if (one.number == number && one.stage == profiles::DeletionStage::done) {
        print_out(deletion_document(one) + "\n");
        return ExitCode::ok;
      }
    std::this_thread::sleep_for(ask_again_every);
    TRY_IN(ask_api(project.root, "/api/status"),
           fmt::format("deletion {} goes on with the next start", number));
  }
}

Result<ExitCode> suppress(const Invocation& invocation, const Asked& asked, const char* action) {
  config::Project project = TRY(invocation.load_project());
  std::string of = TRY(profiles_meant(project, asked.profiles));
  print_out(json::serialize(TRY(tell_api(project.root, address(of, asked, action)))) + "\n");
  return ExitCode::ok;
}

Result<ExitCode> decide(const Invocation& invocation, const Asked& asked, const char* action) {
  config::Project project = TRY(invocation.load_project());
  std::string of = TRY(profiles_meant(project, asked.profiles));
  print_out(json::serialize(TRY(tell_api(
                project.root, address(of, asked, action) + "?other=" + percent_encode(asked.other)))) +
            "\n");
  return ExitCode::ok;
}

Result<ExitCode> receipts(const Invocation& invocation) {
  for (const auto& one : TRY(deletions(TRY(invocation.load_project()))))
    print_out(deletion_document(one) + "\n");
  return ExitCode::ok;
}

}  // namespace

Result<std::string> profiles_meant(const config::Project& project, const std::string& named) {
  profiles::ProfileFiles files = profiles::load_profiles(project.root, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  const profiles::Definition* found =
      named.empty() && files.definitions.size() == 1 ? &files.definitions.front() : files.find(named);
  if (found == nullptr)
    return fail(ErrorKind::config,
                named.empty() ? "say which profiles" : fmt::format("there are no profiles `{}`", named),
                "add --profiles cdp.profiles; files lie in profiles/");
  return found->name();
}

std::function<std::optional<Result<ExitCode>>(const Invocation&)> add_profile_deletions(CLI::App& command) {
  auto asked = std::make_shared<Asked>();
  CLI::App* removing = command.add_subcommand(
      "delete", "removes a person from every table, with a receipt; ids stay out then");
  CLI::App* suppressing = command.add_subcommand("suppress", "what is sent under an id is not kept any more");
  CLI::App* allowing = command.add_subcommand("unsuppress", "what is sent under an id is kept again");
  CLI::App* splitting = command.add_subcommand("unmerge", "two ids are not one person's from now on");
  CLI::App* joining = command.add_subcommand("remerge", "takes an unmerge back");
  CLI::App* showing = command.add_subcommand("receipts", "deletions, a line of JSON each, the oldest first");
  for (CLI::App* one : {removing, suppressing, allowing, splitting, joining}) {
    one->add_option("id", asked->id, "user_id:42, email:ann@example.com, ...")->required();
    if (one == splitting || one == joining)
      one->add_option("other", asked->other, "an id of the other person")->required();
    one->add_option("--profiles", asked->profiles, "which, when the project has several: cdp.profiles");
  }
  removing->add_option("--reason", asked->reason, "goes into the receipt: a ticket's number, no name");
  removing->add_flag("--yes", asked->yes, "yes, remove it");
  return [=](const Invocation& invocation) -> std::optional<Result<ExitCode>> {
    if (removing->parsed()) return remove(invocation, *asked);
    if (suppressing->parsed()) return suppress(invocation, *asked, "suppress");
    if (allowing->parsed()) return suppress(invocation, *asked, "unsuppress");
    if (splitting->parsed()) return decide(invocation, *asked, "unmerge");
    if (joining->parsed()) return decide(invocation, *asked, "remerge");
    if (showing->parsed()) return receipts(invocation);
    return std::nullopt;
  };
}

}  // namespace tidemark::cli
