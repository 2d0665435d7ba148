// Reader and Writer: how a plain struct is read from the config, and written out again by `show`.
//
// A struct describes itself once, and both directions use that:
//
//   struct CorsOptions {
//     Mode mode = Mode::enforce;
//     std::vector<std::string> origins;            // who may ask
//     Duration max_age = seconds(600);
//     template <class IO> void fields(IO& io) {
//       io.field("mode", mode);
//       io.required("origins", origins);
//       io.field("max_age", max_age);
//     }
//   };
//
// A key that `fields` does not name is an error with a "did you mean". If a struct may also be written in a
// short form (`limit: [a, b]`, `authenticate: public`), it has `bool shorthand(Reader&)`: called first when
// the node is not a map; it returns true if it has read the node. After `fields`, an optional `void
// check(Reader&)` may add problems that concern several keys. Writer calls `fields` only, unless a `bool
// shorthand(Writer&)` has written the value. One thread.
#pragma once

#include <array>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gateway/base/units.h"
#include "gateway/config/node.h"
#include "gateway/config/problems.h"
#include "gateway/config/types.h"

namespace sallyport::config {

class Reader;
class Writer;

template <class T>
concept Described = requires(T& t, Reader& r) { t.fields(r); };
template <class T>
concept HasShorthand = requires(T& t, Reader& r) {
  { t.shorthand(r) } -> std::same_as<bool>;
};
template <class T>
concept WritesShorthand = requires(T& t, Writer& w) {
  { t.shorthand(w) } -> std::same_as<bool>;
};
template <class T>
concept HasCheck = requires(T& t, Reader& r) { t.check(r); };

// The names of an enum's values, in order: `constexpr auto enum_names(Mode) { return std::array{"enforce",
// …}; }` found by argument-dependent look-up (or, for Mode, below).
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) { enum_names(e); };

constexpr std::array<std::string_view, 3> enum_names(Mode) { return {"enforce", "shadow", "off"}; }

class Reader {
 public:
  // Reads `node`, whose place in the config is `path` ("routes[0].limit"). Both must outlive the Reader.
  Reader(const Node& node, Problems& problems, std::string path, std::string directory);
  Reader(const Reader&) = delete;  // a child knows its parent's place
  Reader& operator=(const Reader&) = delete;

  const Node& node() const noexcept { return *node_; }
  const std::string& path() const noexcept { return path_; }
  const std::string& directory() const noexcept { return directory_; }  // relative paths start here

  // What messages call a document that is not a config: "the key file". For the Reader of its root; the text
  // must outlive it.
  void call_document(std::string_view name) noexcept { document_ = name; }

  // "; did you mean …?", by the names of blocks that there are, and these; empty if none is near, or there
  // were many wrong names before.
  template <class Blocks>
  std::string did_you_mean_one(std::string_view name, const Blocks& blocks,
                               std::vector<std::string> known = {}) const {
    return problems_->hint(&blocks, blocks.size() + 1, name, [&] {
      for (const auto& [other, unused] : blocks) known.push_back(other);
      return did_you_mean(name, known);
    });
  }

  // Adds a problem at this node, at one of its keys, or at any mark.
  void error(std::string message);
  void error_at(std::string_view key, std::string message);
  void error_at(const Mark& mark, std::string message);
  // What this block needs is not there, and that has been told where it is wrong.
  void refuse() noexcept;
  // False once anything was wrong with this node or with a child that was read from here. Whoever makes
  // something of a block looks at it first; the value that was read is then good for looking for more
  // problems only.
  bool whole() const noexcept { return whole_; }

  bool has(std::string_view key) const noexcept { return node_->find(key) != nullptr; }
  // True if the key has a value that text can be read from, as in `address: 1`. What is wrong with a list, a
  // map or nothing has been told.
  bool has_text(std::string_view key) const noexcept;
  // A reader for a child, which this one must outlive. The key must be there.
  Reader at(std::string_view key);
  Reader at(size_t index);

  // Reads a key into value; without the key the value stays as it is (its default).
  template <class T>
  void field(std::string_view key, T& value) {
    note_known(key);
    if (!has(key)) return;
    Reader child = at(key);
    child.value(value);
  }
  // The same; that the key is missing is a problem, unless an unknown key is told to be this one misspelt.
  template <class T>
  void required(std::string_view key, T& value) {
    if (!has(key)) missing(key);
    field(key, value);
  }
  // A key that is read elsewhere: known, but left alone here.
  void ignore(std::string_view key) { note_known(key); }

  // Reads this node into a value of any supported type; a wrong kind or unit is a problem.
  void value(bool& out);
  void value(std::string& out);
  void value(uint64_t& out);
  void value(uint32_t& out);
  void value(Duration& out);
  void value(Bytes& out);
  void value(Rate& out);
  void value(FilePath& out);
  void value(Secret& out);
  void value(Raw& out);
  template <class T>
  void value(std::optional<T>& out) {
    T read{};
    value(read);
    out = std::move(read);
  }
  template <class T>
  void value(std::vector<T>& out) {
    if (!expect(Node::Kind::list)) return;
    out.clear();
    for (size_t i = 0; i < node_->items.size(); ++i) {
      T read{};
      Reader child = at(i);
      child.value(read);
      out.push_back(std::move(read));
    }
  }
  // A map with names of the user's choosing; the order of the file is kept.
  template <class T>
  void value(std::vector<std::pair<std::string, T>>& out) {
    if (!expect(Node::Kind::map)) return;
    out.clear();
    for (const Node::Member& member : node_->members) {
      T read{};
      Reader child = at(member.name);
      child.value(read);
      out.emplace_back(member.name, std::move(read));
    }
  }
  template <NamedEnum E>
  void value(E& out) {
    std::vector<std::string> names;
    for (std::string_view name : enum_names(out)) names.emplace_back(name);
    const int found = one_of(names);
    if (found >= 0) out = static_cast<E>(found);
  }
  template <Described T>
  void value(T& out) {
    if constexpr (HasShorthand<T>) {
      if (!node_->is_map() && out.shorthand(*this)) return;
    }
    if (!expect(Node::Kind::map)) return;
    out.fields(*this);
    finish();
    if constexpr (HasCheck<T>) out.check(*this);
  }

  // Adds a problem for each key of this map that no field has named, and for each that is missing. Called by
  // value(Described).
  void finish();
  // An unknown key has been told to be this one misspelt: what is wrong without it has its cause there.
  bool is_misspelt(std::string_view key) const noexcept;
  // False, with a problem, if the node is of another kind.
  bool expect(Node::Kind kind);

 private:
  Reader(const Node& node, Reader& parent, std::string path);
  void note_known(std::string_view key);
  void missing(std::string_view key);
  std::string shown_path() const;  // as messages name this node
  static std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);
  int one_of(const std::vector<std::string>& names);

  const Node* node_;
  Problems* problems_;
  std::string path_;
  std::string directory_;
  std::string_view document_ = "the config";
  Reader* parent_ = nullptr;  // null: the root
  bool whole_ = true;
  std::vector<std::string> known_;
  std::vector<std::string> missing_;
  std::vector<std::string> misspelt_;  // by their right names
};

// True if YAML reads the text, without quotes, as the same text: the Writer then writes it so.
bool is_plain_text(std::string_view s);

// Writes the same structs as YAML, defaults included, secrets as their reference.
class Writer {
 public:
  template <class T>
  void field(std::string_view key, T& v) {
    begin_key(key);
    value(v);
    end_key();
  }
  template <class T>
  void required(std::string_view key, T& v) {
    field(key, v);
  }
  void ignore(std::string_view) {}

  void value(const bool& v);
  void value(const std::string& v);
  void value(const uint64_t& v);
  void value(const uint32_t& v) { value(static_cast<uint64_t>(v)); }
  void value(const Duration& v);
  void value(const Bytes& v);
  void value(const Rate& v);
  void value(const FilePath& v);
  void value(const Secret& v);
  void value(const Raw& v);
  template <class T>
  void value(std::optional<T>& v) {
    if (v)
      value(*v);
    else
      nothing();
  }
  template <class T>
  void value(std::vector<T>& v) {
    begin_list();
    for (T& item : v) {
      begin_item();
      value(item);
    }
    end_list();
  }
  template <class T>
  void value(std::vector<std::pair<std::string, T>>& v) {
    begin_map();
    for (auto& [name, item] : v) {
      begin_key(name);
      value(item);
      end_key();
    }
    end_map();
  }
  template <NamedEnum E>
  void value(E& v) {
    text_value(enum_names(v)[static_cast<size_t>(v)]);
  }
  template <Described T>
  void value(T& v) {
    if constexpr (WritesShorthand<T>) {
      if (v.shorthand(*this)) return;
    }
    begin_map();
    v.fields(*this);
    end_map();
  }

  // The YAML written so far.
  std::string text() const;
  // The same as a Node; the Writer is empty afterwards.
  Node take() { return std::exchange(root_, Node{}); }

  void begin_map();
  void end_map();
  void begin_key(std::string_view key);
  void end_key();
  void begin_list();
  void begin_item();
  void end_list();
  void nothing();  // an absent value: the key is left out
  void text_value(std::string_view v);

 private:
  Node root_;
  std::vector<Node*> open_;
  std::vector<std::string> keys_;
  Node& place();
};

}  // namespace sallyport::config
