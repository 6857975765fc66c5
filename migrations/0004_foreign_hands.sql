-- What others changed in AWS, and what Fleetgate owes AWS.

-- What was last acknowledged of an environment's settings; a difference to it becomes a sighting once.
create table baselines (
    env  bigint primary key references environments (id),
    body text   not null
);

create table sightings (
    id         bigint primary key,
    env        bigint not null references environments (id),
    at         bigint not null,
    cloud_at   bigint not null,
    what       text   not null,
    before     text,
    after      text,
    cause      text,
    settled_by bigint
);
create index sightings_by_env on sightings (env, id);

-- One row for each temporary alteration, written before it is made.
create table debts (
    id        bigint primary key,
    env       bigint not null references environments (id),
    change    bigint not null references changes (number),
    what      text   not null,
    before    text,
    after     text,
    state     text   not null,
    at        bigint not null,
    paid_at   bigint,
    note      text
);
create index debts_by_env on debts (env, state);

-- Why an environment can not be rolled back to its last good release now; no row where it can.
create table unready (
    env      bigint primary key references environments (id),
    sentence text   not null,
    at       bigint not null
);

insert into counters (name, value) values ('sighting', 0), ('debt', 0);
