-- Links by which a person chooses their own password, once. Only the hash of a link's secret is kept, one link a person.
create table setup_links (
    person     bigint primary key references people (id),
    token_hash text   not null unique,
    created_by text   not null,
    created_at bigint not null,
    expires_at bigint not null
);
