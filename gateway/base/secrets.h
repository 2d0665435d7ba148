// Secrets that somebody has written where they do not belong: what of them may be shown in a log or a
// message. API keys (sp_ID_SECRET_CHECK) and compact tokens (RFC 7515, RFC 7516 and what is appended to
// them), in upper or lower case, plain or percent-encoded, also several times over.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::text {

// s itself if there is no secret in it; otherwise a copy in `room`, in which of each key only the id is left
// and of each token how its first part begins, with "..." behind it. Nothing is allocated for the former.
// shown_max: how much of it is shown; what stands behind that many bytes is left out, or is as it was, but
// something remains there if anything was there.
std::string_view without_secrets(std::string_view s, std::string& room,
                                 size_t shown_max = std::string_view::npos);

}  // namespace sallyport::text
