#include "config/yaml_node.h"

#include "base/limits.h"

#include <fmt/format.h>
#include <sstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace tidemark::config {
namespace {

// Ends parsing from inside an event; the error is in the report already.
struct Stop {};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Report& report, std::filesystem::path file) : report_(report), file_(std::move(file)) {}

  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.where = place(mark);
    add(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      report_.error(place(mark), "an alias cannot stand inside what it stands for", "Write the value out.");
      throw Stop{};
    }
    nodes_ += found->second.size - 1;
    add(found->second.node, 0, found->second.size);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.where = place(mark);
    node.text = value;
    node.quoted = tag == "!";
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::sequence, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::mapping, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor;
    size_t nodes_before;
    bool has_key = false;
    std::string key;
    Location key_where;
  };
  struct Anchored {
    YamlNode node;
    size_t size;
  };

  Location place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (stack_.size() >= limits::yaml_depth_max) {
      report_.error(place(mark), fmt::format("nested more than {} levels deep", limits::yaml_depth_max));
      throw Stop{};
    }
    YamlNode node;
    node.kind = kind;
    node.where = place(mark);
    stack_.push_back({std::move(node), anchor, nodes_, false, {}, {}});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(frame.node), frame.anchor, nodes_ - frame.nodes_before + 1);
  }

  void add(YamlNode node, YAML::anchor_t anchor, size_t size = 1) {
    if (++nodes_ > limits::yaml_nodes_max) {
      report_.error(node.where, fmt::format("more than {} values in one file", limits::yaml_nodes_max),
                    "Aliases count as what they stand for.");
      throw Stop{};
    }
    if (anchor != 0) anchors_.insert_or_assign(anchor, Anchored{node, size});
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::sequence) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      take_key(frame, node);
    } else {
      frame.has_key = false;
      for (const YamlNode::Pair& pair : frame.node.pairs)
        if (pair.key == frame.key) {
          report_.error(frame.key_where,
                        fmt::format("`{}` is given twice; first in line {}", frame.key, pair.key_where.line),
                        "Keep one of them.");
          return;
        }
      frame.node.pairs.push_back({std::move(frame.key), frame.key_where, std::move(node)});
    }
  }

  void take_key(Frame& frame, const YamlNode& node) {
    if (node.kind != YamlNode::Kind::scalar) {
      report_.error(node.where, "a key must be a plain word",
                    "A value that starts with { or [ is read as YAML: put it in quotes.");
      throw Stop{};
    }
    frame.has_key = true;
    frame.key = node.text;
    frame.key_where = node.where;
  }

  Report& report_;
  std::filesystem::path file_;
  YamlNode root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
};

// yaml-cpp's words, and what usually causes them.
std::string remedy_for(const std::string& message, std::string_view line) {
  std::string_view indentation = line.substr(0, std::min(line.size(), line.find_first_not_of(" \t")));
  if (indentation.find('\t') != std::string_view::npos)
    return "Indent with spaces; YAML does not allow tabs.";
  if (message == "illegal map value" || message == "illegal map key")
    return "Put a value that contains \": \" in quotes, and check the indentation.";
  if (message.starts_with("end of map") || message.starts_with("end of seq"))
    return "Check the indentation, the brackets, and quotes that do not end.";
  if (message == "illegal EOF in scalar") return "A quote that was opened is not closed.";
  if (message == "unknown token" || message == "illegal character in scalar")
    return "Put a value that starts with @, `, % or & in quotes.";
  if (message.starts_with("unknown escape character"))
    return "Use single quotes, in which \\ stands for itself.";
  return "";
}

}  // namespace

const char* YamlNode::describe() const {
  switch (kind) {
    case Kind::null:
      return "empty";
    case Kind::scalar:
      return "text";
    case Kind::sequence:
      return "a list";
    case Kind::mapping:
      return "a mapping";
  }
  return "";
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const Pair& pair : pairs)
    if (pair.key == key) return &pair.value;
  return nullptr;
}

std::optional<YamlNode> parse_yaml(Report& report, const std::filesystem::path& file,
                                   const std::string& text) {
  TreeBuilder builder(report, file);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      YamlNode empty;
      empty.where = {file, 1, 1};
      return empty;
    }
    YamlNode root = builder.take_root();
    TreeBuilder rest(report, file);
    if (parser.HandleNextDocument(rest)) {
      report.error({file, rest.take_root().where.line}, "a second document in the file",
                   "One document a file: remove the line with ---, or make it a file of its own.");
      return std::nullopt;
    }
    return root;
  } catch (const Stop&) {
    return std::nullopt;
  } catch (const YAML::Exception& exception) {
    Location where{file, exception.mark.line + 1, exception.mark.column + 1};
    report.error(where, "not valid YAML: " + exception.msg,
                 remedy_for(exception.msg, line_of(text, where.line)));
    return std::nullopt;
  }
}

}  // namespace tidemark::config
