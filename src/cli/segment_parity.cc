#include "cli/segment_parity.h"

#include "base/clock.h"
#include "base/limits.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "clickhouse/schema.h"
#include "segments/evaluator.h"

#include <algorithm>
#include <thread>

namespace tidemark::cli {
namespace {

// A cut whose evaluation is under way is written within this time.
constexpr std::chrono::milliseconds again_after{300};

}  // namespace

bool is_segment(const config::Project& project, const std::string& name) {
  return segments::load_segments(project.root, true).find(name) != nullptr;
}

Result<std::vector<segments::MembershipProof>> verify_segments(const config::Project& project,
                                                               clickhouse::ClientPool& pool,
                                                               const std::vector<std::string>& only) {
  auto client = pool.lease();
  segments::SegmentFiles files = TRY(project_segments(*client, project));
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  if (files.definitions.empty()) return std::vector<segments::MembershipProof>();
  auto options = segments::compile_options(files, TRY(event_tables(*client, project)), "UTC");
  std::vector<segments::Problem> problems;
  std::vector<segments::Definition> wanted;
  Block block =
      TRY(client->query("SELECT segment, version FROM tidemark.segment_versions FINAL WHERE dropped = 0"));
  for (const auto& definition : files.definitions) {
    if (!only.empty() && std::find(only.begin(), only.end(), definition.name) == only.end()) continue;
    std::string version = segments::version_of(definition, options, problems);
    bool in_force = false;
    for (size_t row = 0; row < block.rows(); ++row)
      in_force |= block.columns[0].text(row) == definition.name && block.columns[1].text(row) == version;
    if (in_force)
      wanted.push_back(definition);
    else
      print_err(
          fmt::format("segment {} is not compared: its definition is not in force (yet)\n", definition.name));
  }
  if (wanted.empty()) return std::vector<segments::MembershipProof>();
  for (int attempt = 1;; ++attempt) {
    auto proofs =
        TRY(segments::prove_memberships(*client, wanted, options, system_clock().wall_micros(), problems));
    if (!problems.empty())
      return fail(ErrorKind::config,
                  fmt::format("{}: {}", problems.front().where.describe(), problems.front().message),
                  problems.front().remedy);
    bool good = std::all_of(proofs.begin(), proofs.end(), [](const auto& proof) { return proof.good(); });
    if (good || attempt == limits::model_parity_attempts) return proofs;
    std::this_thread::sleep_for(again_after);
  }
}

}  // namespace tidemark::cli
