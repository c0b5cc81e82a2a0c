#include "segments/kept_facts.h"

#include "segments/kept_bytes.h"

#include <algorithm>

namespace tidemark::segments {

void keep_row(EntityFacts& facts, const RowAnswers& answers) {
  std::string out;
  facts.row_until = never_us;
  if (answers.there) {
    std::string bits((answers.leaves.size() + 7) / 8, '\0');
    for (size_t leaf = 0; leaf < answers.leaves.size(); ++leaf)
      if (answers.leaves[leaf].value) bits[leaf / 8] = static_cast<char>(bits[leaf / 8] | 1 << (leaf % 8));
    put_text(out, bits);
    for (size_t leaf = 0; leaf < answers.leaves.size(); ++leaf) {
      int64_t next = answers.leaves[leaf].next;
      if (next == never_us) continue;
      facts.row_until = std::min(facts.row_until, next);
      put_number(out, leaf);
      put_signed(out, next);
    }
  }
  out.shrink_to_fit();
  facts.row = std::move(out);
  facts.has_row = true;
}

RowAnswers kept_row(const EntityFacts& facts, size_t leaves) {
  RowAnswers answers{.there = !facts.row.empty(), .leaves = std::vector<LeafAnswer>(leaves)};
  KeptReader reader(facts.row);
  std::string_view bits = reader.text();
  for (size_t leaf = 0; leaf < leaves && leaf / 8 < bits.size(); ++leaf)
    answers.leaves[leaf].value = (bits[leaf / 8] >> (leaf % 8) & 1) != 0;
  while (!reader.done()) {
    size_t leaf = reader.number();
    int64_t next = reader.signed_number();
    if (leaf < leaves) answers.leaves[leaf].next = next;
  }
  return answers;
}

void keep_memberships(EntityFacts& facts, const std::vector<Membership>& memberships) {
  std::string out;
  for (const Membership& one : memberships) {
    if (one.seq == 0) continue;
    put_number(out, one.segment);
    put_number(out, one.seq << 1 | (one.member ? 1 : 0));
  }
  out.shrink_to_fit();
  facts.memberships = std::move(out);
  facts.has_memberships = true;
}

std::vector<Membership> kept_memberships(const EntityFacts& facts, size_t segments) {
  std::vector<Membership> found(segments);
  for (size_t segment = 0; segment < segments; ++segment) found[segment].segment = segment;
  KeptReader reader(facts.memberships);
  while (!reader.done()) {
    size_t segment = reader.number();
    uint64_t change = reader.number();
    if (segment >= segments) continue;
    found[segment].seq = change >> 1;
    found[segment].member = (change & 1) != 0;
  }
  return found;
}

EntityFacts* KeptFacts::find(const std::string& entity) {
  auto found = slots_.find(entity);
  return found == slots_.end() ? nullptr : &found->second.facts;
}

EntityFacts& KeptFacts::at(const std::string& entity) {
  EntityFacts& facts = slots_[entity].facts;
  entities_ = slots_.size();
  return facts;
}

// What a node of the map and the texts of an entity take.
size_t KeptFacts::size_of(const std::string& entity, const EntityFacts& facts) const {
  constexpr size_t node = sizeof(std::string) + sizeof(Slot) + 4 * sizeof(void*);
  auto text = [](const std::string& value) {
    return value.capacity() < sizeof(std::string) / 2 ? 0 : value.capacity() + 2 * sizeof(void*);
  };
  return node + text(entity) + text(facts.row) + text(facts.events) + text(facts.memberships);
}

void KeptFacts::counted(const std::string& entity) {
  auto found = slots_.find(entity);
  if (found == slots_.end()) return;
  size_t size = size_of(entity, found->second.facts);
  bytes_ += size;
  bytes_ -= std::exchange(found->second.counted, size);
}

void KeptFacts::forget_rows(const std::string& entity) {
  auto found = slots_.find(entity);
  if (found == slots_.end()) return;
  EntityFacts& facts = found->second.facts;
  facts.has_row = facts.has_events = false;
  facts.row.clear();
  facts.events.clear();
}

void KeptFacts::forget(const std::string& entity) {
  ++lost_;
  auto found = slots_.find(entity);
  if (found == slots_.end()) return;
  bytes_ -= found->second.counted;
  slots_.erase(found);
  entities_ = slots_.size();
}

void KeptFacts::forget_all() {
  ++lost_;
  slots_.clear();
  bytes_ = 0;
  entities_ = 0;
}

// Whatever lies in the next places of the table: nobody knows who is looked at next.
void KeptFacts::trim() {
  while (bytes_ > bytes_max_ && !slots_.empty()) {
    ++lost_;
    next_bucket_ = (next_bucket_ + 1) % slots_.bucket_count();
    std::vector<std::string> gone;
    for (auto slot = slots_.begin(next_bucket_); slot != slots_.end(next_bucket_); ++slot)
      gone.push_back(slot->first);
    for (const auto& entity : gone) forget(entity);
  }
}

}  // namespace tidemark::segments
