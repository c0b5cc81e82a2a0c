// The models of a running project while they are changed under it: those the public views are of, and all
// that must be kept right, which are more (what is being filled, what was replaced and is kept for rollback).
//
// after_cut() and the like go to a Runtime over all of them. It is exchanged whole, at a barrier whenever the
// set changes, so an applier never sees half of a change. Thread-safe.
#pragma once

#include "models/lineage.h"
#include "models/runtime.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace tidemark::cli {

class LiveModels {
 public:
  LiveModels() { publish({}); }

  // Before the first: other processes write to the same stores.
  void share_stores() { writers_ = models::Runtime::Writers::many; }
  // Before the first: who is told of the keys that cuts touch.
  void watch(models::WatchHooks hooks) { watch_ = std::move(hooks); }

  // A new project: nothing of before is kept right any more.
  void replace(models::CompiledModels models);
  // The public views of these models are theirs from here on; what they replace is kept right on.
  void publish(models::CompiledModels models);
  void take_on(const std::vector<models::CompiledModel>& models);
  // Models that own or read one of these tables, and those of these names.
  void leave(const std::vector<std::string>& physical, const std::vector<std::string>& gone);

  std::shared_ptr<models::Runtime> runtime() const;
  std::shared_ptr<const models::CompiledModels> published() const;
  std::shared_ptr<const models::Lineage> lineage() const;
  // Mirrored tables that a query reads; empty: not known (models/lineage.h).
  std::set<std::string> tables_of(const std::string& sql) const { return lineage()->tables_of(sql); }
  // How many of the published are only watched, for segments.
  size_t watched_by_segments() const;

 private:
  void rebuild();  // with mutex_ held

  mutable std::mutex mutex_;
  std::vector<models::CompiledModel> kept_;  // beside the published ones, in the order they came
  std::shared_ptr<const models::CompiledModels> published_;
  std::shared_ptr<const models::Lineage> lineage_;
  std::shared_ptr<models::Runtime> runtime_;
  models::Runtime::Writers writers_ = models::Runtime::Writers::one;
  models::WatchHooks watch_;
};

}  // namespace tidemark::cli
