#include "gateway/store/redis.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/async/timer.h"
#include "gateway/base/text.h"
#include "gateway/crypto/hash.h"
#include "gateway/observe/log.h"

namespace sallyport::store {
namespace {

constexpr size_t waiting_max = 10'000;
constexpr size_t reply_bytes_max = 1 << 20;
constexpr size_t list_items_max = 1024;
constexpr Duration retry_first = milliseconds(50);
constexpr Duration retry_most = seconds(2);
constexpr Duration look_every = seconds(1);
constexpr Duration told_again_after = std::chrono::minutes(1);
constexpr size_t causes_max = 16;
constexpr Duration stuck_after = seconds(2);  // the oldest command without a reply: the connection is no good

// What such a script has answered; false: it is not the reply to that call.
bool take_answer(RedisReply& reply, uint64_t call) {
  if (reply.kind != RedisReply::Kind::list || reply.items.empty() ||
      reply.items.front().text != std::to_string(call))
    return false;
  RedisReply answer = reply.items.size() == 2 ? std::move(reply.items.back()) : RedisReply{};
  reply = std::move(answer);
  return true;
}

}  // namespace

struct RedisClient::Waiting {
  explicit Waiting(Loop& loop, Monotonic deadline) : done(loop, deadline) {}
  Waiting(const Waiting&) = delete;
  ~Waiting() {
    if (slot != nullptr) *slot = nullptr;
  }
  WaitUntil done;
  Result<RedisReply> reply;
  Waiting** slot = nullptr;  // in sent_, as long as it is there: a deque does not move its elements at push
                             // and pop
};

// Replies are bounded as they are read: their bytes, and the items that a list announces, for which hiredis
// would take the memory at once.
struct RedisClient::Reader {
  Reader() : reader(redisReaderCreate()), usual(*reader->fn), bounded(usual) {
    reader->maxbuf = 16 * 1024;
    bounded.createArray = &create_array;
    reader->fn = &bounded;
    reader->privdata = this;
  }
  Reader(const Reader&) = delete;
  ~Reader() { redisReaderFree(reader); }

  // Takes what has come.
  Result<void> feed(Buffer& input) {
    const Slice bytes = input.readable();
    unread += bytes.size();
    if (unread > reply_bytes_max) return fail(Code::invalid_data, "protocol_error", "a reply is too large");
    redisReaderFeed(reader, bytes.data(), bytes.size());
    input.consume(bytes.size());
    return {};
  }
  // The next whole reply; null: none is there yet, or what has come is none.
  std::optional<Result<RedisReply>> next() {
    void* raw = nullptr;
    if (redisReaderGetReply(reader, &raw) != REDIS_OK || raw == nullptr) return std::nullopt;
    unread = 0;
    Result<RedisReply> reply = copy_of(*static_cast<redisReply*>(raw));
    freeReplyObject(raw);
    return reply;
  }
  Result<void> good() const {
    if (reader->err == 0) return {};
    return fail(Code::invalid_data, "protocol_error", "this does not speak the Redis protocol");
  }

 private:
  template <class Count>  // int or size_t, by hiredis' version
  static void* create_array(const redisReadTask* task, Count count) {
    if (count < 0 || static_cast<size_t>(count) > list_items_max) return nullptr;
    return static_cast<Reader*>(task->privdata)->usual.createArray(task, count);
  }

  redisReader* reader;
  redisReplyObjectFunctions usual, bounded;
  size_t unread = 0;  // bytes fed since the last whole reply
};

RedisScript::RedisScript(const std::string& body)
    : text("local call = table.remove(ARGV)\nlocal function answer()\n" + body +
           "end\nreturn {call, answer()}") {
  const auto digest = crypto::sha1(text);
  hash = sallyport::text::hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

RedisClient::RedisClient(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics, RedisOptions options)
    : loop_(loop),
      resolver_(resolver),
      options_(std::move(options)),
      out_(loop.blocks()),
      duration_(metrics.histogram("sallyport_store_duration_seconds", {{"store", options_.name}})),
      failures_(metrics.counter("sallyport_store_failures_total", {{"store", options_.name}})),
      task_(Task<>::ready()) {
  task_ = run();
}

RedisClient::~RedisClient() {
  lose({Code::dependency_down, "not_connected", "the client ends"});
  decide();
}

void RedisClient::append(const std::vector<std::string>& words) {
  out_.append("*" + std::to_string(words.size()) + "\r\n");
  for (const std::string& word : words) {
    out_.append("$" + std::to_string(word.size()) + "\r\n");
    out_.append(word);
    out_.append("\r\n");
  }
}

Task<Result<RedisReply>> RedisClient::command(std::vector<std::string> words) {
  return command(std::move(words), 0);
}

Task<Result<RedisReply>> RedisClient::command(std::vector<std::string> words, uint64_t call) {
  const Monotonic began = MonotonicClock::now();
  if (!decided_) co_await first_connection();
  Result<RedisReply> reply =
      ready_ ? Result<RedisReply>() : down("not_connected", "there is no connection to the store");
  if (reply) reply = co_await exchange(words, call);
  if (reply)
    duration_.observe(MonotonicClock::now() - began);
  else
    failures_.add();
  co_return reply;
}

Task<> RedisClient::first_connection() {
  WaitUntil decided(loop_, loop_.now() + options_.timeout);
  undecided_.push_back(decided);
  co_await decided;
}

// From now on the state of the connection tells whether the server is there.
void RedisClient::decide() {
  decided_ = true;
  while (WaitUntil* waits = undecided_.pop_front()) waits->notify();
}

Task<Result<RedisReply>> RedisClient::exchange(const std::vector<std::string>& words, uint64_t call) {
  if (sent_.size() >= waiting_max)
    co_return fail(Code::overloaded, "store_overloaded", "too many commands wait for the store");
  Waiting here(loop_, loop_.now() + options_.timeout);
  append(words);
  sent_.push_back({&here, call, loop_.now()});
  here.slot = &sent_.back().who;
  loop_.before_wait(*this);
  const bool in_time = co_await here.done;
  if (!in_time) {
    auto late = down("store_timeout", "it did not answer in time (timeout)");
    tell("store_slow", late.error());
    co_return late;
  }
  co_return std::move(here.reply);
}

Task<Result<RedisReply>> RedisClient::eval(const RedisScript& script, std::vector<std::string> keys,
                                           std::vector<std::string> arguments) {
  const uint64_t call = ++calls_;
  std::vector<std::string> words = {"EVALSHA", script.hash, std::to_string(keys.size())};
  words.insert(words.end(), keys.begin(), keys.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(std::to_string(call));
  Result<RedisReply> reply = co_await command(words, call);
  if (reply || !reply.error().detail.starts_with("NOSCRIPT")) co_return reply;
  words[0] = "EVAL";  // the server does not know it, or has forgotten it; this tells it
  words[1] = script.text;
  co_return co_await command(std::move(words), call);
}

std::unexpected<Error> RedisClient::misanswered() {
  failures_.add();
  auto failure = down("store_error", "a reply of another form than its command has");
  tell("store_error", failure.error());
  return failure;
}

void RedisClient::at_turn_end() {
  if (stream_ == nullptr || out_.empty()) return;
  Result<void> written = stream_->write(out_.readable());
  out_.consume(out_.size());
  if (!written) lose(written.error());
}

// Connects, reads until the connection is lost, waits a little longer each time until a command has been
// obeyed, and so on.
Task<> RedisClient::run() {
  Duration retry = retry_first;
  for (;;) {
    Result<void> opened = co_await open();
    decide();
    Error error;
    if (opened) {
      error = co_await read_replies();
      if (std::exchange(proved_, false)) retry = retry_first;
    } else {
      error = std::move(opened.error());
    }
    lose(error);
    stream_.reset();
    lost_told_ = tell("store_lost", error) || lost_told_;
    co_await sleep(loop_, retry);
    retry = std::min(retry * 2, retry_most);
  }
}

// Once a minute for each cause; false if it was told before. The cause of what the server says is its first
// word.
bool RedisClient::tell(std::string_view event, const Error& error) {
  const std::string_view word = std::string_view(error.detail).substr(0, error.detail.find(' '));
  if (told_.size() >= causes_max) told_.clear();
  const auto [at, fresh] = told_.try_emplace(fmt::format("{} {}", error.reason, word), loop_.now());
  if (!fresh && loop_.now() - at->second < told_again_after) return false;
  at->second = loop_.now();
  observe::log(observe::Level::warn, event,
               {{"store", options_.name}, {"reason", error.reason}, {"detail", error.detail}});
  return true;
}

// The addresses of the name, one after the other, until one lets us in.
Task<Result<void>> RedisClient::open() {
  const Monotonic deadline = loop_.now() + options_.connect_timeout;
  auto found = co_await resolver_.resolve(options_.host, options_.port, deadline);
  if (!found) co_return std::unexpected(std::move(found.error()));
  const std::vector<net::SocketAddress>& addresses = found->addresses;
  Result<void> opened;
  for (size_t left = addresses.size(); left > 0; --left) {
    const Monotonic now = loop_.now();  // one that is silent leaves time for the others
    const size_t at = first_address_ % addresses.size();
    opened = co_await open_at(addresses[at], now + (deadline - now) / static_cast<int64_t>(left));
    if (opened) break;
    ++first_address_;
  }
  co_return opened;
}

Task<Result<void>> RedisClient::open_at(net::SocketAddress address, Monotonic deadline) {
  auto stream = co_await net::connect(loop_, std::move(address), options_.tls, deadline);
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  stream_ = std::move(*stream);
  reader_ = std::make_unique<Reader>();
  co_return co_await introduce(deadline);
}

// AUTH, SELECT, and a PING that shows that commands are taken. Their replies are read here, before anybody
// else's.
Task<Result<void>> RedisClient::introduce(Monotonic deadline) {
  size_t expected = 1;
  bool login = options_.password != nullptr;  // its reply is the next
  if (options_.password != nullptr) {
    std::vector<std::string> words = {"AUTH"};
    if (!options_.username.empty()) words.push_back(options_.username);
    words.push_back(*options_.password);
    append(words);
    ++expected;
  }
  if (options_.database != 0) {
    append({"SELECT", std::to_string(options_.database)});
    ++expected;
  }
  append({"PING"});
  const Result<void> written = stream_->write(out_.readable());
  out_.release();
  if (!written) co_return written;
  while (expected > 0) {
    const Result<bool> more = co_await stream_->more(deadline);
    if (!more) co_return std::unexpected(more.error());
    if (!*more) co_return fail(Code::connection_reset, "closed_by_peer", "the store closed the connection");
    const Result<void> fed = reader_->feed(stream_->input());
    if (!fed) co_return fed;
    while (expected > 0) {
      const std::optional<Result<RedisReply>> reply = reader_->next();
      if (!reply) break;
      if (!*reply && login) co_return refused_login(reply->error().detail);
      if (!*reply) co_return std::unexpected(reply->error());
      login = false;
      --expected;
    }
    const Result<void> good = reader_->good();
    if (!good) co_return good;
  }
  ready_ = true;
  co_return Result<void>{};
}

Task<Error> RedisClient::read_replies() {
  for (;;) {
    const Result<bool> more = co_await stream_->more(loop_.now() + look_every);
    const bool late = !more && more.error().code == Code::timed_out;
    if (!more && !late) co_return more.error();
    if (more && !*more)
      co_return Error{Code::connection_reset, "closed_by_peer", "the store closed the connection"};
    if (more) {
      Result<void> taken = take_replies();
      if (!taken) co_return std::move(taken.error());
    }
    if (!sent_.empty() && loop_.now() - sent_.front().at > stuck_after) {
      co_return Error{Code::timed_out, "store_stuck", "the store does not answer"};
    }
  }
}

Result<void> RedisClient::take_replies() {
  if (Result<void> fed = reader_->feed(stream_->input()); !fed) return fed;
  while (std::optional<Result<RedisReply>> next = reader_->next()) {
    Result<RedisReply> reply = std::move(*next);
    if (sent_.empty()) return fail(Code::invalid_data, "protocol_error", "a reply that nobody asked for");
    if (reply && sent_.front().call != 0 && !take_answer(*reply, sent_.front().call))
      return fail(Code::invalid_data, "protocol_error", "a reply to another command than the next");
    Result<void> good = judge(reply);
    Waiting* who = sent_.front().who;
    if (who != nullptr) {
      who->slot = nullptr;
      who->reply = std::move(reply);
    }
    sent_.pop_front();
    if (who != nullptr) who->done.notify();  // goes on at once; may send the next command, or cancel another
    if (!good) return good;
  }
  return reader_->good();
}

// What a reply says of its server: an error if that is of no use.
Result<void> RedisClient::judge(const Result<RedisReply>& reply) {
  if (reply) {
    if (!std::exchange(proved_, true) && std::exchange(lost_told_, false))
      observe::log(observe::Level::info, "store_connected", {{"store", options_.name}});
    return {};
  }
  if (!uselessness(reply.error().detail).empty()) {
    ++first_address_;
    return down("store_refuses", reply.error().detail);
  }
  if (!reply.error().detail.starts_with("NOSCRIPT")) tell("store_error", reply.error());  // it is told again
  return {};
}

// Tells all that wait.
void RedisClient::lose(const Error& error) {
  ready_ = false;
  out_.release();
  std::deque<Sent> lost = std::exchange(sent_, {});
  for (Sent& at : lost) {
    if (at.who != nullptr) at.who->slot = &at.who;
  }
  for (Sent& at : lost) {
    if (at.who == nullptr) continue;
    Waiting* who = std::exchange(at.who, nullptr);
    who->slot = nullptr;
    who->reply = down("connection_lost", error.detail);
    who->done.notify();
  }
}

}  // namespace sallyport::store
