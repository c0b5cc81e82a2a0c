#include "clickhouse/cancellation.h"

namespace tidemark::clickhouse {

namespace {
thread_local const std::atomic<bool>* current_flag = nullptr;
}

CancellationScope::CancellationScope(std::shared_ptr<const std::atomic<bool>> flag) : flag_(std::move(flag)) {
  current_flag = flag_.get();
}

CancellationScope::~CancellationScope() {
  current_flag = nullptr;
}

bool CancellationScope::active() {
  return current_flag != nullptr;
}

bool CancellationScope::cancelled() {
  return current_flag != nullptr && current_flag->load();
}

}  // namespace tidemark::clickhouse
