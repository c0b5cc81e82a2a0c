#include "ingest/lane_workers.h"

#include "base/limits.h"

namespace tidemark::ingest {

LaneWorkers::LaneWorkers(size_t workers, std::function<Status(Part&)> send) : send_(std::move(send)) {
  for (size_t index = 0; index < workers; ++index) workers_.push_back(std::make_unique<Worker>());
}

LaneWorkers::~LaneWorkers() {
  (void)finish();
}

bool LaneWorkers::submit(std::unique_ptr<Part> part) {
  std::unique_lock lock(mutex_);
  auto [lane, fresh] = lanes_.try_emplace(part->table, nullptr);
  if (fresh) lane->second = workers_[next_worker_++ % workers_.size()].get();
  Worker& worker = *lane->second;
  if (!worker.thread.joinable()) worker.thread = std::thread([this, &worker] { run(worker); });
  changed_.wait(lock, [&] { return error_ || worker.parts.size() < limits::lane_parts_max; });
  if (error_) return false;
  worker.parts.push_back(std::move(part));
  changed_.notify_all();
  return true;
}

// Out of memory while a part is built is an error of the cut, which is replayed, not the end of the program.
Status LaneWorkers::send(Part& part) {
  try {
    return send_(part);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::limit, fmt::format("no memory to send a part of {}", part.table->display()),
                "give the program more memory");
  }
}

void LaneWorkers::run(Worker& worker) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return error_ || finishing_ || !worker.parts.empty(); });
    if (error_ || worker.parts.empty()) return;
    auto part = std::move(worker.parts.front());
    worker.parts.pop_front();
    lock.unlock();
    Status sent = send(*part);
    part.reset();
    lock.lock();
    if (!sent && !error_) error_ = std::move(sent.error());
    changed_.notify_all();
  }
}

Status LaneWorkers::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
    changed_.notify_all();
  }
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
  if (error_) return fail(*error_);
  return {};
}

}  // namespace tidemark::ingest
