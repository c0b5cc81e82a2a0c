#include "segments/segment_references.h"

#include "segments/canonical.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

class Expansion {
 public:
  Expansion(const Definition& root, const CompileOptions& options, std::vector<Problem>& problems)
      : root_(root), options_(options), problems_(problems), way_{root.name} {}

  Node expand(const Node& node) {
    if (++nodes_ > limits::nodes_max * 4) {
      if (nodes_ == limits::nodes_max * 4 + 1)
        problems_.push_back({node.where, "the segments this one is made of have too many conditions together",
                             "Leave some of them out."});
      return {Any{}, node.where};
    }
    Node copy = node;
    if (auto* all = std::get_if<All>(&copy.condition)) expand_list(all->children);
    if (auto* any = std::get_if<Any>(&copy.condition)) expand_list(any->children);
    if (auto* negation = std::get_if<Not>(&copy.condition)) expand_list(negation->child);
    if (auto* member = std::get_if<MemberOf>(&copy.condition)) return of_segment(member->segment, node.where);
    return copy;
  }

 private:
  void expand_list(std::vector<Node>& nodes) {
    for (Node& node : nodes) node = expand(node);
  }

  Node of_segment(const std::string& name, const Location& where) {
    const Definition* other = options_.lookup ? options_.lookup(name) : nullptr;
    if (std::find(way_.begin(), way_.end(), name) != way_.end()) {
      std::vector<std::string> circle(std::find(way_.begin(), way_.end(), name), way_.end());
      circle.push_back(name);
      problems_.push_back({where, fmt::format("segments go round in a circle: {}", fmt::join(circle, " -> ")),
                           "Take one of these `member` conditions out."});
    } else if (other == nullptr) {
      problems_.push_back({where,
                           fmt::format("there is no segment `{}`{}", name,
                                       config::did_you_mean(name, options_.segment_names)),
                           ""});
    } else if (other->entity != root_.entity) {
      problems_.push_back(
          {where,
           fmt::format("`{}` is a segment of {}, and this one is of {}", name, other->entity, root_.entity),
           "A segment can ask for members of segments of the same entity only; `users` looks at those "
           "that belong to an account."});
    } else {
      way_.push_back(name);
      Node node = expand(other->condition);
      way_.pop_back();
      return node;
    }
    return {Any{}, where};
  }

  const Definition& root_;
  const CompileOptions& options_;
  std::vector<Problem>& problems_;
  std::vector<std::string> way_;
  size_t nodes_ = 0;
};

}  // namespace

Node expanded(const Definition& definition, const CompileOptions& options, std::vector<Problem>& problems) {
  return simplified(Expansion(definition, options, problems).expand(definition.condition));
}

}  // namespace tidemark::segments
