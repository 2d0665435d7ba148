#include "plugins/authenticate/key_file_editor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "gateway/base/fd.h"
#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "plugins/authenticate/api_key.h"

namespace sallyport {
namespace {

namespace fs = std::filesystem;

constexpr const char* acl_name = "system.posix_acl_access";

std::unexpected<Error> failed(std::string detail) { return fail(Code::io, "key_file", std::move(detail)); }
std::unexpected<Error> failed_by_system(std::string_view what, std::string_view path) {
  return failed(fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

// The file that a path means, links followed.
Result<std::string> real_path(const std::string& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    if (fs::is_symlink(fs::symlink_status(path)))
      return failed(path + " is a symbolic link to a file that is not there");
    return path;
  }
  if (error) return failed(fmt::format("cannot open {}: {}", path, error.message()));
  // "..2026_01_02_03_04_05.678": a volume of Kubernetes, which replaces the directory as a whole.
  const std::string directory = real.parent_path().filename();
  if (directory.size() > 2 && directory.starts_with("..")) {
    return failed(
        path +
        " lies in a volume of Kubernetes and cannot be changed here: change the Secret or the ConfigMap "
        "that it is made of");
  }
  return real.string();
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// The POSIX ACL of an open file as the system keeps it; empty: it has none, or its file system knows none.
Result<std::string> acl_of(int fd, const std::string& path) {
  std::string acl;
  acl.resize(XATTR_SIZE_MAX);
  const ssize_t size = fgetxattr(fd, acl_name, acl.data(), acl.size());
  if (size < 0 && errno != ENODATA && errno != ENOTSUP) return failed_by_system("read the ACL of", path);
  acl.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
  return acl;
}

// One that the fresh file has from its directory would let in others than the old one did.
bool set_acl(int fd, const std::string& acl) {
  if (!acl.empty()) return fsetxattr(fd, acl_name, acl.data(), acl.size(), 0) == 0;
  return fremovexattr(fd, acl_name) == 0 || errno == ENODATA || errno == ENOTSUP;
}

std::string user_name(uid_t id) {
  const passwd* known = getpwuid(id);
  return known != nullptr ? text::printable(known->pw_name) : std::to_string(id);
}

std::string group_name(gid_t id) {
  const group* known = getgrgid(id);
  return known != nullptr ? text::printable(known->gr_name) : std::to_string(id);
}

std::unexpected<Error> cannot_lock(const std::string& lock_path) {
  const bool denied = errno == EACCES;
  const auto error = failed_by_system("lock", lock_path);
  struct stat lock{};
  if (!denied || stat(lock_path.c_str(), &lock) != 0) return error;
  return failed(
      fmt::format("{}; it is that of user {}, whose keys command was the first: run this as that "
                  "user or as root, or remove it while no other runs",
                  error.error().detail, user_name(lock.st_uid)));
}

std::unexpected<Error> cannot_keep(std::string_view what, const std::string& path, const struct stat& old) {
  const std::string cause = std::strerror(errno);
  return failed(fmt::format(
      "the file that takes the place of {} cannot be given the same {} ({}), and the gateway might "
      "not be able to read it: nothing was changed; run this as user {} in the group {}, or as root",
      path, what, cause, user_name(old.st_uid), group_name(old.st_gid)));
}

// Gives the file that takes the place of an old one what the old one has: owner, group, mode and POSIX ACL.
// One that the gateway may no longer read would leave it with the keys of before, those that were revoked
// included.
Result<void> keep_access(int fd, const std::string& old_path) {
  const Fd old(::open(old_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!old && errno == ENOENT) return {};
  struct stat was{}, is{};
  if (!old || fstat(old.get(), &was) != 0 || fstat(fd, &is) != 0) return failed_by_system("read", old_path);
  const Result<std::string> acl = acl_of(old.get(), old_path);
  if (!acl) return std::unexpected(acl.error());
  if (was.st_nlink > 1)
    return failed(
        fmt::format("{} has {} names (hard links), and the others would keep the keys of before: "
                    "nothing was changed; remove them, or let them be symbolic links",
                    old_path, was.st_nlink));
  const bool other_owner = was.st_uid != is.st_uid || was.st_gid != is.st_gid;
  if (other_owner && fchown(fd, was.st_uid, was.st_gid) != 0)
    return cannot_keep("owner and group", old_path, was);
  // The ACL before the mode, whose bits for the group are the mask of the ACL.
  if (!set_acl(fd, *acl)) return cannot_keep("POSIX ACL", old_path, was);
  if (fchmod(fd, was.st_mode & 07777) != 0 || fstat(fd, &is) != 0) return failed_by_system("write", old_path);
  if (is.st_mode != was.st_mode) {  // the system has left a bit out without a word
    errno = EPERM;
    return cannot_keep("mode", old_path, was);
  }
  return {};
}

// By a file beside it that takes its place; one that an earlier run has left there is not used, as it may be
// anybody's.
Result<void> replace(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failed_by_system("write", fresh);
  Result<void> done = keep_access(file.get(), path);
  if (done &&
      (!write_all(file.get(), text) || fsync(file.get()) != 0 || rename(fresh.c_str(), path.c_str()) != 0))
    done = failed_by_system("write", path);
  if (!done) unlink(fresh.c_str());
  return done;
}

// The entries of a text, if the gateway would take it: nothing is told or written of one that it would not.
Result<ApiKeyFile> checked(std::string_view text, const std::string& path) {
  config::Problems problems;
  if (auto file = ApiKeyTable::check(text, path, path, problems)) return std::move(*file);
  std::string told;
  for (const config::Problem& p : problems.all())
    told += fmt::format("{}: {}\n", p.mark.line > 0 ? p.place() : path, p.message);
  return fail(Code::invalid_data, "key_file", std::move(told));
}

}  // namespace

Result<ApiKeyFile> read_key_file(const std::string& path) {
  const Result<std::string> text = read_file(path, ApiKeyFile::bytes_max);
  if (text) return checked(*text, path);
  return fail(Code::invalid_data, "key_file",
              fmt::format("{}: cannot read it: {}\n", path, text.error().detail));
}

KeyFileEditor::KeyFileEditor(std::string path, std::string real, int lock)
    : path_(std::move(path)), real_(std::move(real)), lock_(lock) {}
KeyFileEditor::KeyFileEditor(KeyFileEditor&& other) noexcept
    : file(std::move(other.file)),
      path_(std::move(other.path_)),
      real_(std::move(other.real_)),
      lock_(std::exchange(other.lock_, -1)) {}
KeyFileEditor::~KeyFileEditor() { release(); }

void KeyFileEditor::release() noexcept {
  if (const int lock = std::exchange(lock_, -1); lock >= 0) close(lock);
}

Result<KeyFileEditor> KeyFileEditor::open(const std::string& path, bool may_be_missing) {
  Result<std::string> real = real_path(path);
  if (!real) return std::unexpected(std::move(real.error()));
  if (path.ends_with(".json") || real->ends_with(".json"))
    return failed(path + " is read as JSON, and the keys commands write YAML: give it another name");
  const std::string lock_path = *real + ".lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return cannot_lock(lock_path);
  KeyFileEditor editor(path, std::move(*real), lock);
  while (flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return failed_by_system("lock", lock_path);
  }
  // Only what is surely not there is begun anew: all keys would be gone otherwise.
  struct stat there{};
  if (may_be_missing && stat(path.c_str(), &there) != 0 && errno == ENOENT) return editor;
  Result<ApiKeyFile> file = read_key_file(path);
  if (!file) return std::unexpected(std::move(file.error()));
  editor.file = std::move(*file);
  return editor;
}

Result<void> KeyFileEditor::save() {
  config::Writer writer;
  writer.value(file);
  const std::string text =
      "# API keys of Sallyport: hashes only. Made by `sallyport keys`; watched by the gateway.\n" +
      writer.text();
  if (text.size() > ApiKeyFile::bytes_max) return failed(path_ + " would be larger than the gateway takes");
  if (auto good = checked(text, path_); !good) return std::unexpected(std::move(good.error()));
  if (Result<void> replaced = replace(real_, text); !replaced) return replaced;
  const Result<std::string> now = read_file(path_, ApiKeyFile::bytes_max);
  if (now && *now == text) return {};
  return failed(
      fmt::format("{} was written, and {} does not have it: nothing has changed there", real_, path_));
}

}  // namespace sallyport
