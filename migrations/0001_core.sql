-- The core. Columns are TEXT and BIGINT alone, so that one file serves SQLite and PostgreSQL (ARCHITECTURE.md, "Store").
-- Times are UTC milliseconds, flags are 0 or 1, JSON and hashes are text. Numbers come from `counters`.

-- One row. Every write updates it first, so that the order of the chain and of the events is the order of commits.
create table heads (
    id          bigint primary key,
    writes      bigint not null,
    audit_seq   bigint not null,
    audit_hash  text   not null,
    event_seq   bigint not null,
    epoch       bigint not null,
    install     text   not null,
    anchor_wall  bigint,
    anchor_cloud bigint,
    anchor_speed text
);
insert into heads (id, writes, audit_seq, audit_hash, event_seq, epoch, install)
values (1, 0, 0, '0000000000000000000000000000000000000000000000000000000000000000', 0, 0, '');

create table counters (
    name  text primary key,
    value bigint not null
);
insert into counters (name, value) values ('change', 0), ('environment', 0), ('person', 0), ('token', 0), ('act', 0), ('good', 0);

create table people (
    id            bigint primary key,
    name          text not null unique,
    password_hash text not null,
    disabled_at   bigint,
    created_at    bigint not null
);

create table grants (
    person bigint not null references people (id),
    scope  text   not null,
    role   text   not null,
    primary key (person, scope, role)
);

create table sessions (
    token_hash   text primary key,
    person       bigint not null references people (id),
    created_at   bigint not null,
    last_seen_at bigint not null,
    expires_at   bigint not null,
    address      text,
    user_agent   text
);

create table tokens (
    id         bigint primary key,
    name       text   not null unique,
    token_hash text   not null unique,
    scopes     text   not null,
    created_by text   not null,
    created_at bigint not null,
    expires_at bigint not null,
    revoked_at bigint
);

-- Wrong tries, by account or address: counted here, so that a restart resets nothing.
create table login_failures (
    subject  text   primary key,
    failures bigint not null,
    since    bigint not null
);

create table applications (
    name       text primary key,
    repository text not null,
    created_at bigint not null
);

create table environments (
    id             bigint primary key,
    app            text   not null references applications (name),
    name           text   not null,
    protected      bigint not null,
    account        text   not null,
    region         text   not null,
    asg            text   not null,
    asg_arn        text   not null unique,
    role_arn       text,
    external_id    text,
    registry       text   not null,
    image_source   text   not null,
    redis_group    text,
    bucket         text,
    policy         text   not null,
    policy_version bigint not null,
    release        bigint,
    created_at     bigint not null,
    unique (app, name)
);

create table releases (
    app        text   not null references applications (name),
    number     bigint not null,
    tag        text,
    digest     text   not null,
    commit_sha text,
    notes      text,
    created_by text   not null,
    created_at bigint not null,
    primary key (app, number)
);
create unique index releases_by_digest on releases (app, digest);

create table changes (
    number         bigint primary key,
    env            bigint not null references environments (id),
    app            text   not null,
    env_name       text   not null,
    kind           text   not null,
    lane           text   not null,
    state          text   not null,
    version        bigint not null,
    intent         text   not null,
    plan           text   not null,
    plan_hash      text   not null,
    progress       text   not null,
    sentence       text   not null,
    requested_by   text   not null,
    reason         text,
    release        bigint,
    template_version bigint,
    protected      bigint not null,
    rollback_of    bigint,
    rolled_back_by bigint,
    created_at     bigint not null,
    started_at     bigint,
    finished_at    bigint,
    expires_at     bigint,
    due_at         bigint not null,
    lease_epoch    bigint not null,
    lease_until    bigint not null
);
-- One writer per environment and lane: what the engine has taken up holds it.
create unique index changes_one_writer on changes (env, lane)
    where state in ('running', 'baking', 'cancelling', 'undoing', 'needs_attention');
create index changes_by_env on changes (env, number);
create index changes_due on changes (state, due_at);

-- Releases that were good in an environment: where a rollback may go. Newest last.
create table good_releases (
    id               bigint primary key,
    env              bigint not null references environments (id),
    release          bigint not null,
    template_version bigint not null,
    change           bigint,
    approved         bigint not null,
    at               bigint not null,
    left_by          bigint
);
create index good_releases_by_env on good_releases (env, id);

create table approvals (
    change    bigint not null references changes (number),
    person    text   not null,
    decision  text   not null,
    plan_hash text   not null,
    comment   text,
    at        bigint not null,
    primary key (change, person, plan_hash)
);

create table steps (
    change      bigint not null references changes (number),
    position    bigint not null,
    step        text   not null,
    state       text   not null,
    attempts    bigint not null,
    sentence    text,
    started_at  bigint not null,
    finished_at bigint,
    primary key (change, position)
);

-- One row for each mutating AWS call, written before it is sent.
create table acts (
    id          bigint primary key,
    change      bigint not null references changes (number),
    step        text   not null,
    attempt     bigint not null,
    service     text   not null,
    operation   text   not null,
    detail      text   not null,
    state       text   not null,
    look_at     bigint,
    result      text,
    aws_request text,
    epoch       bigint not null,
    at          bigint not null,
    done_at     bigint
);
create index acts_open on acts (change, state);

create table audit (
    seq         bigint primary key,
    at          bigint not null,
    actor       text   not null,
    actor_kind  text   not null,
    action      text   not null,
    target      text   not null,
    change      bigint,
    result      text   not null,
    before      text,
    after       text,
    reason      text,
    address     text,
    request     text,
    aws_request text,
    previous    text   not null,
    hash        text   not null
);
create index audit_by_actor on audit (actor, seq);
create index audit_by_target on audit (target, seq);
create index audit_by_action on audit (action, seq);
create index audit_by_change on audit (change, seq);

-- What happened, for streams: the truth; a channel only wakes.
create table events (
    id       bigint primary key,
    at       bigint not null,
    topic    text   not null,
    change   bigint,
    sentence text
);
create index events_by_change on events (change, id);

-- The local copy of AWS, one row for each environment.
create table observations (
    env       bigint primary key references environments (id),
    at        bigint not null,
    cloud_at  bigint not null,
    body      text   not null,
    failed_at bigint,
    failure   text,
    misses    bigint not null
);

-- Template versions never change, so each is read once.
create table template_versions (
    template text   not null,
    number   bigint not null,
    place    text   not null,
    body     text   not null,
    primary key (place, template, number)
);

create table idempotency (
    actor     text   not null,
    key       text   not null,
    body_hash text   not null,
    change    bigint not null,
    at        bigint not null,
    primary key (actor, key)
);
