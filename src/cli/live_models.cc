#include "cli/live_models.h"

#include "segments/watched_query.h"

namespace tidemark::cli {

using models::CompiledModel;
using models::CompiledModels;

namespace {

bool has_store(const std::vector<CompiledModel>& list, const std::string& store) {
  return std::any_of(list.begin(), list.end(), [&](const auto& model) { return model.store == store; });
}

}  // namespace

void LiveModels::rebuild() {
  CompiledModels all = published_ ? *published_ : CompiledModels();
  for (const auto& model : kept_)
    if (!has_store(all.models, model.store)) all.models.push_back(model);
  runtime_ = std::make_shared<models::Runtime>(std::move(all), writers_, watch_);
}

void LiveModels::replace(CompiledModels models) {
  {
    std::lock_guard lock(mutex_);
    kept_.clear();
    published_.reset();
  }
  publish(std::move(models));
}

void LiveModels::publish(CompiledModels models) {
  std::lock_guard lock(mutex_);
  if (published_)
    for (const auto& model : published_->models)
      if (!model.store.empty() && models.find(model.name) != nullptr &&
          !has_store(models.models, model.store) && !has_store(kept_, model.store))
        kept_.push_back(model);
  // Those that were not deployed stay as they are.
  if (published_)
    for (const auto& model : published_->models)
      if (models.find(model.name) == nullptr) models.models.push_back(model);
  lineage_ = std::make_shared<const models::Lineage>(models);
  published_ = std::make_shared<const CompiledModels>(std::move(models));
  rebuild();
}

void LiveModels::take_on(const std::vector<CompiledModel>& models) {
  std::lock_guard lock(mutex_);
  for (const auto& model : models)
    if (!has_store(kept_, model.store) && !has_store(published_->models, model.store)) kept_.push_back(model);
  rebuild();
}

void LiveModels::leave(const std::vector<std::string>& physical, const std::vector<std::string>& gone) {
  std::lock_guard lock(mutex_);
  auto names = [&](CompiledModel& model) {
    for (const auto* statement : model.statements())
      for (const auto& table : physical)
        if (statement->find(table) != std::string::npos) return true;
    return false;
  };
  std::erase_if(kept_, names);
  CompiledModels left = *published_;
  std::erase_if(left.models, [&](CompiledModel& model) {
    return names(model) || std::find(gone.begin(), gone.end(), model.name) != gone.end();
  });
  published_ = std::make_shared<const CompiledModels>(std::move(left));
  rebuild();
}

std::shared_ptr<models::Runtime> LiveModels::runtime() const {
  std::lock_guard lock(mutex_);
  return runtime_;
}
std::shared_ptr<const CompiledModels> LiveModels::published() const {
  std::lock_guard lock(mutex_);
  return published_;
}
size_t LiveModels::watched_by_segments() const {
  auto list = published();
  return static_cast<size_t>(std::count_if(list->models.begin(), list->models.end(), [&](const auto& model) {
    return model.file.watch && model.file.database == segments::watch_database;
  }));
}
std::shared_ptr<const models::Lineage> LiveModels::lineage() const {
  std::lock_guard lock(mutex_);
  return lineage_;
}

}  // namespace tidemark::cli
