#include "cli/profile_parity.h"

#include "base/limits.h"
#include "cli/live_profiles.h"
#include "cli/output.h"
#include "clickhouse/schema.h"

#include <algorithm>
#include <thread>

namespace tidemark::cli {
namespace {

const std::atomic<bool> never_stop{false};
// A step that is under way is written within this time.
constexpr std::chrono::milliseconds again_after{300};

}  // namespace

Result<std::vector<profiles::ProfileProof>> verify_profiles(const config::Project& project,
                                                            clickhouse::ClientPool& pool,
                                                            const std::vector<std::string>& only) {
  profiles::ProfileFiles files = profiles::load_profiles(project.root, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  std::vector<profiles::ProfileProof> proofs;
  for (const auto& definition : files.definitions) {
    if (!only.empty() && std::find(only.begin(), only.end(), definition.name()) == only.end()) continue;
    profiles::Keeper keeper(pool, definition, TRY(event_tables_of(definition, project)), never_stop);
    if (!TRY(keeper.made())) {
      print_err(fmt::format("profiles {} are not compared: they are not made (yet)\n", definition.name()));
      continue;
    }
    for (int attempt = 1;; ++attempt) {
      auto proof = TRY(keeper.prove());
      if (proof.good() || attempt == limits::model_parity_attempts) {
        proofs.push_back(std::move(proof));
        break;
      }
      std::this_thread::sleep_for(again_after);
    }
  }
  return proofs;
}

}  // namespace tidemark::cli
