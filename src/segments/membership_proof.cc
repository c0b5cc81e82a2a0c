#include "segments/membership_proof.h"

#include "base/limits.h"
#include "segments/everybody.h"

#include <fmt/format.h>
#include <map>

namespace tidemark::segments {

Result<std::vector<MembershipProof>> prove_memberships(clickhouse::Client& client,
                                                       const std::vector<Definition>& definitions,
                                                       const CompileOptions& options, int64_t as_of,
                                                       std::vector<Problem>& problems) {
  std::map<std::string, std::vector<const Definition*>> groups;
  for (const auto& definition : definitions) groups[group_of(definition, options)].push_back(&definition);
  std::vector<MembershipProof> proofs;
  std::map<std::string, uint64_t> members;
  Block counted =
      TRY(client.query("SELECT toString(segment), count() FROM tidemark.segment_members FINAL WHERE member = "
                       "1 GROUP BY segment"));
  for (size_t row = 0; row < counted.rows(); ++row)
    members.emplace(counted.columns[0].text(row), counted.columns[1].get<uint64_t>(row));
  Catalog catalog(client);
  CompileOptions in_slices = options;
  in_slices.in_slices = true;
  for (const auto& [name, group] : groups) {
    std::vector<std::string> segments;
    for (const Definition* definition : group) segments.push_back(definition->name);
    CompiledSegments compiled = TRY(compile(catalog, group, in_slices, problems));
    if (!problems.empty()) return std::vector<MembershipProof>();
    DiffQuery query = diff_query(std::move(compiled), segments, false);
    size_t first = proofs.size();
    for (const Definition* definition : group)
      proofs.push_back({.segment = definition->name,
                        .entity = definition->entity,
                        .members = members[definition->name],
                        .examples = {}});
    auto take = [&](const Block& block) -> Status {
      const Column& flips = block.columns[2];
      for (size_t row = 0; row < block.rows(); ++row)
        for (size_t index = flips.array_begin(row); index < flips.array_end(row); ++index) {
          MembershipProof& proof = proofs[first + flips.element().get<uint16_t>(index)];
          bool missing = block.columns[3].element().get<uint8_t>(index) != 0;
          ++(missing ? proof.missing : proof.extra);
          if (proof.examples.size() < tidemark::limits::model_examples_max)
            proof.examples.push_back(
                fmt::format("{} {}", missing ? "missing" : "extra", block.columns[0].text(row)));
        }
      return {};
    };
    TRY_VOID(ask_everybody(client, {.query = query, .segments = segments, .as_of = as_of}, take));
  }
  return proofs;
}

}  // namespace tidemark::segments
