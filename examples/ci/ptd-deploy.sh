#!/bin/sh
# Deploy a tool and wait until it truly runs: the deployment client for CI, which needs only curl.
#
#   ptd-deploy.sh deploy [--commit COMPONENT=SHA]... [--description TEXT] [--no-wait]
#   ptd-deploy.sh wait | retry | status [DEPLOYMENT]      the newest one unless it is named
#   ptd-deploy.sh cancel DEPLOYMENT
#
# Options: --timeout 90s|30m|1h, --on-superseded follow|fail, --cancel-on-interrupt, --key KEY,
#          --junit FILE, --dotenv FILE
# Environment: DEPLOY_API (address of the API), DEPLOY_TOOL, DEPLOY_TOKEN (the tool's deploy token)
#
# Exit codes, those of `ptd deploy --wait`:
#   0 completely successful           1 it failed, and its owner must change something
#   2 the command or config is wrong  3 no token, or not a valid one
#   4 cancelled, or replaced          5 not finished in time; it goes on
#   6 a failure of the platform: try again

set -u
umask 077

say() { printf '%s\n' "$*" >&2; }
die() {
  status=$1
  shift
  say "$*"
  annotate '' "$*"
  exit "$status"
}
annotate() { # PLACE TEXT: GitHub shows it beside the commit, or at a line of a file
  [ "${GITHUB_ACTIONS:-}" != true ] || say "::error ${1}title=Deployment::$(printf '%s\n' "$2" |
    sed 's/%/%25/g' | awk 'NR > 1 { printf "%%0A" } { printf "%s", $0 }')"
}
now() { date +%s; }

# --- arguments

command=${1:-}
[ $# -eq 0 ] || shift
name='' commits='' description='' key='' junit='' dotenv=''
waits=yes cancels='' superseded=follow timeout=1h
case $command in
deploy) ;;
wait | cancel | retry | status)
  case $command-${1:-} in
  cancel- | cancel--*) die 2 "ptd-deploy.sh cancel: which deployment?" ;;
  *- | *--*) name=latest ;;
  *) name=$1 && shift ;;
  esac
  ;;
*) die 2 "usage: ptd-deploy.sh deploy | wait [ID] | retry [ID] | status [ID] | cancel ID [options]; see its first lines" ;;
esac
while [ $# -gt 0 ]; do
  option=$1
  case $option in
  --no-wait) waits='' ;;
  --cancel-on-interrupt) cancels=yes ;;
  --commit | --description | --key | --junit | --dotenv | --timeout | --on-superseded)
    [ $# -gt 1 ] || die 2 "$option wants a value"
    value=$2
    shift
    case $option in
    --commit) commits="$commits $value" ;;
    --description) description=$value ;;
    --key) key=$value ;;
    --junit) junit=$value ;;
    --dotenv) dotenv=$value ;;
    --timeout) timeout=$value ;;
    --on-superseded) superseded=$value ;;
    esac
    ;;
  *) die 2 "$option is no option of ptd-deploy.sh" ;;
  esac
  shift
done
case $superseded in follow | fail) ;; *) die 2 "--on-superseded is follow or fail" ;; esac
number=${timeout%[smh]}
case $number in '' | *[!0-9]*) die 2 "--timeout $timeout is no duration such as 90s, 30m or 1h" ;; esac
case $timeout in
*h) seconds=$((number * 3600)) ;;
*m) seconds=$((number * 60)) ;;
*) seconds=$number ;;
esac

api=${DEPLOY_API:-} tool=${DEPLOY_TOOL:-}
api=${api%/}
case $api in
'') die 2 "Which API? Set DEPLOY_API to its address." ;;
http://* | https://*) ;;
*) die 2 "DEPLOY_API is no address: it begins with https:// or http://" ;;
esac
[ -n "$tool" ] || die 2 "Which tool? Set DEPLOY_TOOL."
case $tool in -* | *- | *[!a-z0-9-]*) die 2 "'$tool' is no tool's name: it is made of a-z, 0-9 and -" ;; esac
[ -n "${DEPLOY_TOKEN:-}" ] || die 3 "No deploy token: set DEPLOY_TOKEN.
\`toolforge components deploy-token create\` makes one for $tool; store it as a secret variable of the CI."
command -v curl >/dev/null || die 2 "curl is missing"

body() { # what is asked for, as JSON
  text=$(printf '%s' "$description" | tr '\n\r\t' '   ' | tr -d '\000-\037' |
    sed 's/\\/\\\\/g; s/"/\\"/g')
  pins=''
  for pin in $commits; do
    component=${pin%%=*} sha=${pin#*=}
    case $component in '' | *[!a-z0-9-]*) die 2 "--commit wants COMPONENT=SHA" ;; esac
    case $sha in *[!0-9a-fA-F]* | '') die 2 "--commit $component: $sha is no commit" ;; esac
    pins="$pins${pins:+,}\"$component\":\"$sha\""
  done
  printf '{"description":"%s"%s}' "$text" "${pins:+,\"commits\":{$pins\}}"
}

# --- requests: the code is in $code, the answer's key=value lines are in $work/answer

work=$(mktemp -d) || die 2 "no folder for temporary files"
pid=''
trap 'rm -rf "$work"' EXIT
printf 'Authorization: Bearer %s\n' "$DEPLOY_TOKEN" >"$work/token" # neither in argv nor in a URL
asked=''
trap 'asked=yes; [ -z "$pid" ] || kill "$pid" 2>/dev/null' INT TERM

request() { # METHOD PATH [options of curl]
  method=$1 path=$2
  shift 2
  : >"$work/answer" >"$work/headers"
  curl -sS --max-time 90 --connect-timeout 5 -X "$method" -H "@$work/token" \
    -H 'Accept: text/plain' -D "$work/headers" -o "$work/answer" -w '%{http_code}' "$@" \
    "$api/v1/tool/$tool/$path" >"$work/code" 2>"$work/error" &
  pid=$!
  # A part of an answer is none.
  if wait "$pid"; then code=$(cat "$work/code"); else code=000; fi
  pid=''
}
insist() { # the same, asking again what may pass, until $until
  pause=1 trouble=''
  while :; do
    request "$@"
    case $code in
    000 | 408 | 429 | 5??) ;;
    *)
      [ -z "$trouble" ] || say "it answers again"
      return
      ;;
    esac
    [ -z "$asked" ] || return
    after=$(header retry-after)
    case $after in '' | *[!0-9]*) after=$pause ;; esac
    problem=$(told "no answer from $api")
    if [ $(($(now) + after)) -ge "$until" ]; then
      die 6 "$problem
Is the address right? DEPLOY_API names it."
    fi
    [ "$problem" = "$trouble" ] || [ -n "$asked" ] || say "$problem; asking again"
    trouble=$problem
    sleep "$after"
    [ "$pause" -ge 8 ] || pause=$((pause * 2))
  done
}
header() { tr -d '\r' <"$work/headers" | grep -i "^$1:" | sed 's/^[^:]*: *//' | head -n 1; }
field() { sed -n "s/^$1=//p" "$work/answer" | head -n 1; }
told() { # what the answer says is wrong
  message=$(field message)
  [ -n "$message" ] || message=$(head -n 1 "$work/error")
  printf '%s' "${message:-$1}"
}
foreign() { printf '%s' "HTTP $code, not in the words of the deployment API: is its address right?"; }
refused() { # a request that was not granted: say why, exit
  case $code in
  400 | 405 | 413 | 422) exit_code=2 ;;
  401 | 403) exit_code=3 ;;
  000 | 5??) exit_code=6 ;;
  *) exit_code=1 ;;
  esac
  case $(field reason) in config-*) exit_code=2 ;; esac
  write_files
  fail "$(told "$(foreign)")"
}

# --- following

follow() { # until the end of $name; its last answer is in $work/answer
  until=$(($(now) + seconds)) tag='' said=''
  while :; do
    [ -z "$asked" ] || interrupted
    left=$((until - $(now)))
    held=25
    [ "$left" -ge "$held" ] || held=$((left > 0 ? left : 0))
    insist GET "deployment/$name?wait=$held" ${tag:+-H "If-None-Match: $tag"}
    [ -z "$asked" ] || continue
    case $code in
    200)
      tag=$(header etag)
      name=$(field deploy_id) # that `latest` was, when it was asked for
      line="$(field status) $(field phase) $(field message)"
      if [ "$(field final)" = true ]; then # why it failed is told once, at the end
        line=$(field status)
        [ "$line" != successful ] || line="$line $(field message)"
      fi
      [ "$line" = "$said" ] || say "$(date -u +%H:%M:%SZ) $name $line"
      said=$line
      if [ "$(field final)" = true ] && verdict; then return; fi
      ;;
    304) ;;
    *) refused ;;
    esac
    if [ "$left" -le 0 ]; then
      die 5 "$name is not finished after $timeout, and goes on: \`ptd-deploy.sh wait $name\` waits on"
    fi
  done
}
verdict() { # whether what has ended decides; else the one that replaced it is followed
  request GET "deployment/$name/wait?timeout=0&on_superseded=$superseded"
  case $code in
  200 | 409 | 422) return 0 ;;
  429)
    next=$(field deploy_id)
    if [ -n "$next" ] && [ "$next" != "$name" ]; then
      say "$name was replaced by $next, which is followed"
      name=$next said=''
    fi
    tag=''
    sleep 1
    return 1
    ;;
  000 | 5??)
    [ "$(now)" -lt "$until" ] ||
      die 6 "$name has ended, and what became of it was not to be had: $(told "no answer from $api")"
    tag=''
    sleep 1
    return 1
    ;;
  *) refused ;;
  esac
}
interrupted() {
  asked=''
  if [ -z "$cancels" ] && [ -t 0 ]; then
    printf '\nCancel %s, too? [y/N] ' "$name" >&2
    read -r reply || reply=n
    case $reply in [yY]*) cancels=yes ;; esac
  fi
  [ -n "$cancels" ] || die 5 "$name goes on: \`ptd-deploy.sh wait $name\` waits for it."
  cancels=''
  insist PUT "deployment/$name/cancel"
  case $code in 200) say "$name is being cancelled" ;; *) refused ;; esac
  tag=''
}

# --- the end

result() { # the exit code of the last answer
  case $(field status) in
  successful) [ "$code" = 409 ] && echo 4 || echo 0 && return ;;
  cancelled) echo 4 && return ;;
  esac
  case $(field reason) in config-missing | config-invalid | config-fetch-failed) echo 2 && return ;; esac
  [ "$(field owner)" = platform ] && echo 6 || echo 1
}
finish() { # say how it ended, write the files, exit
  exit_code=$(result)
  [ "$command" != cancel ] || [ "$(field status)" != cancelled ] || exit_code=0
  write_files
  if [ "$exit_code" = 0 ]; then
    printf '%s: %s\n' "$name" "$(field status)"
    exit 0
  fi
  detail=$(told "$(field title)") state=$(field status)
  [ "$detail" != "$state" ] || detail=''
  fail "$name: $state${detail:+: $detail}"
}
fail() { # FIRST LINE: everything that helps, to the log and to GitHub
  words=$(explained "$1")
  say "$words"
  annotate '' "$words"
  sed -n 's/^mistake=//p' "$work/answer" | while read -r file line column words; do
    file=$(in_checkout "$file")
    annotate "${file:+file=$file,line=$line,col=$column,}" "$words"
  done
  exit "$exit_code"
}
explained() {
  printf '%s\n' "$1"
  sed -n 's/^mistake=\([^ ]*\) \([^ ]*\) \([^ ]*\) /  \1:\2:\3: /p' "$work/answer"
  for word in reason owner component commit superseded_by; do
    found=$(field "$word")
    case $found in '' | nobody | "$(field status)") continue ;; esac
    printf '  %s: %s\n' "$(printf '%s' "$word" | tr _ ' ')" "$found"
  done
  if [ -n "$(field log)" ]; then
    echo "  the last lines of its log:"
    sed -n 's/^log=/    /p' "$work/answer"
  fi
  kept=$(field kept_running.deploy_id) at=$(field "kept_running.commits.$(field component)")
  [ -z "$kept" ] || printf '  what ran before still runs: %s %.10s\n' "$kept" "$at" | sed 's/ $//'
  hint=$(field hint)
  [ -z "$hint" ] || printf '  %s\n' "$hint"
  if [ "$exit_code" = 6 ] && [ -n "$(field deploy_id)" ]; then
    echo "  Not your fault: \`ptd-deploy.sh retry $name\` deploys the same once more."
  fi
}
in_checkout() { # ADDRESS: the file that it is about, where the job has it: the longest end that is one
  rest=${1#*://}
  while :; do
    case $rest in */*) rest=${rest#*/} ;; *) return ;; esac
    case $rest in *..*) return ;; esac
    [ ! -f "${GITHUB_WORKSPACE:-.}/$rest" ] || break
  done
  printf '%s' "$rest"
}
write_files() {
  if [ -n "$dotenv" ]; then
    for word in deploy_id:ID status:STATE reason:REASON owner:OWNER component:COMPONENT \
      commit:COMMIT superseded_by:SUPERSEDED_BY; do
      found=$(field "${word%:*}" | tr -cd 'A-Za-z0-9._:/-')
      printf 'DEPLOY_%s=%s\n' "${word#*:}" "$found"
    done >"$dotenv"
    printf 'DEPLOY_EXIT_CODE=%s\n' "$exit_code" >>"$dotenv"
  fi
  [ -z "$junit" ] || report >"$junit"
}
xml() { tr -d '\000-\010\013\014\016-\037' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
report() { # JUnit: one case a component, so that a merge request shows which one failed
  components=$(sed -n 's/^components\.\([a-z0-9-]*\)\.run=.*/\1/p' "$work/answer")
  blamed='' failures=0
  for component in $components; do
    case $(field component)-$(field "components.$component.build")-$(field "components.$component.run") in
    "$component"-* | *-failed-* | *-failed) blamed="$blamed $component " failures=$((failures + 1)) ;;
    esac
  done
  [ "$exit_code" = 0 ] && blamed='' failures=0
  [ "$exit_code" = 0 ] || [ -n "$blamed" ] || failures=1
  echo "<?xml version='1.0' encoding='utf-8'?>"
  cases=$(echo "$components" | grep -c .)
  if [ "$cases" = 0 ] || { [ "$exit_code" != 0 ] && [ -z "$blamed" ]; }; then cases=$((cases + 1)); fi
  echo "<testsuite name=\"deployment $name\" tests=\"$cases\" failures=\"$failures\">"
  if [ "$exit_code" != 0 ] && [ -z "$blamed" ]; then
    case_of deployment failed
  elif [ -z "$components" ]; then
    case_of deployment passed
  fi
  for component in $components; do
    state=passed
    [ "$(field "components.$component.run")" != skipped ] || [ "$exit_code" = 0 ] || state=skipped
    case $blamed in *" $component "*) state=failed ;; esac
    case_of "$component" "$state"
  done
  echo "</testsuite>"
}
case_of() { # NAME STATE
  echo "<testcase classname=\"deployment\" name=\"$1\">"
  case $2 in
  skipped) echo "<skipped/>" ;;
  failed)
    message=$(told "$(field title)" | xml)
    echo "<failure type=\"$(field reason)\" message=\"$message\">"
    { sed -n 's/^log=//p' "$work/answer" && field hint; } | xml
    echo "</failure>"
    ;;
  esac
  echo "</testcase>"
}

# --- what is to be done

until=$(($(now) + 60)) exit_code=''
if [ "$command" = deploy ] || [ "$command" = retry ]; then
  [ -z "$waits" ] || until=$(($(now) + seconds))
elif [ -t 2 ]; then
  until=$(($(now) + 3)) # somebody is there who can ask again
fi
[ -n "$key" ] || key=${CI_JOB_ID:+gitlab-$CI_JOB_ID}
[ -n "$key" ] || [ -z "${GITHUB_RUN_ID:-}" ] ||
  key="github-$GITHUB_RUN_ID-${GITHUB_RUN_ATTEMPT:-}-${GITHUB_JOB:-}-${GITHUB_ACTION:-}"
[ -n "$key" ] || key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

case $command in
deploy)
  json=$(body) || exit $?
  insist POST deployment -H "Idempotency-Key: $key" -H 'Content-Type: application/json' --data-raw "$json"
  ;;
retry) insist POST "deployment/$name/retry" -H "Idempotency-Key: $key" ;;
cancel) insist PUT "deployment/$name/cancel" ;;
status)
  insist GET "deployment/$name"
  case $code in 200) cat "$work/answer" && exit 0 ;; *) refused ;; esac
  ;;
esac
if [ "$command" != wait ]; then
  case $code in 200) ;; *) refused ;; esac
  found=$(field deploy_id)
  name=${found:-$name}
  say "deployment $name of $tool"
  if [ -z "$waits" ]; then
    printf '%s\n' "$name"
    exit 0
  fi
fi
follow
finish
