#include "cli/model_change.h"

#include "cli/online_request.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/project_models.h"
#include "cli/running_instance.h"
#include "cli/warehouse_access.h"
#include "ingest/state_store.h"
#include "models/compiler.h"
#include "models/lookups.h"
#include "models/rollback.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace tidemark::cli {
namespace {

// Held for as long as the object lives; see RunningProject.
class ProjectLock {
 public:
  ProjectLock() = default;
  ProjectLock(const ProjectLock&) = delete;
  ProjectLock& operator=(const ProjectLock&) = delete;
  ~ProjectLock() {
    if (fd_ >= 0) close(fd_);
  }
  Status take(const std::filesystem::path& root) {
    std::error_code ignored;
    std::filesystem::create_directories(root / ".tidemark", ignored);
    fd_ = open((root / ".tidemark" / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    return fail(
        ErrorKind::conflict,
        fmt::format("the project in {} is just starting or stopping, or another verb changes its models",
                    root.string()),
        "try again in a moment");
  }

 private:
  int fd_ = -1;
};

bool fills(const models::Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(),
                     [](const auto& step) { return step.kind != models::ModelKind::view; });
}

Result<ModelChange> change_here(const Invocation& invocation, const config::Project& project,
                                const DeployRequest& request) {
  ProjectLock lock;
  TRY_VOID(lock.take(project.root));
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  if (!TRY(clickhouse::database_exists(client, "bronze")))
    return fail(ErrorKind::refused, "nothing is mirrored yet, so there is nothing to build models on",
                "run `tidemark up`; its first start makes all models");
  if (request.action == DeployRequest::Action::rollback) {
    TRY(models::rollback(client, request.model));
    return ModelChange();
  }
  auto mistakes = TRY(models::prepare_lookups(client, project, models::LookupChanges::all));
  if (!mistakes.empty()) return fail(ErrorKind::config, config::render(mistakes));
  auto compilation = TRY(compile_project(client, project));
  if (!compilation.ok()) return fail(ErrorKind::config, config::render(compilation.errors));
  bool rebuild = request.action == DeployRequest::Action::backfill;
  models::Plan plan =
      rebuild ? TRY(models::plan_rebuild(client, compilation.models, request.model, request.partitions))
              : TRY(models::compute_plan(client, compilation.models));
  if (!request.plan.empty() && request.plan != plan.id) TRY_VOID(models::stale_plan(request.plan, plan));
  if (fills(plan) && TRY(ingest::cut_is_interrupted(client)))
    return fail(ErrorKind::conflict,
                "`tidemark up` was killed while it applied changes, and they would be counted twice",
                "run `tidemark up`: it finishes them and then applies the models itself");
  std::string shown;
  models::ApplyOptions options{.allow_destructive = request.destructive, .new_generation = rebuild};
  if (!invocation.json)
    options.progress = [&](const models::ApplyProgress& progress) {
      std::string line =
          fmt::format("[{}/{}] {} {}{}\n", progress.step, progress.steps, progress.phase, progress.model,
                      progress.phase == "backfill" ? fmt::format(", {} rows to read", progress.rows) : "");
      if (std::exchange(shown, line) != line) print_err(line);
    };
  TRY_VOID(models::apply_plan(client, compilation.models, plan, options));
  return ModelChange{plan.to_text(), plan.to_json()};
}

}  // namespace

Result<ModelChange> change_models(const Invocation& invocation, const config::Project& project,
                                  const DeployRequest& request) {
  if (auto running = running_instance(project.root)) {
    auto answer = TRY(request_deployment(*running, request, invocation.json));
    return ModelChange{std::move(answer.plan_text), std::move(answer.plan_json)};
  }
  return change_here(invocation, project, request);
}

}  // namespace tidemark::cli
