-- The local copy of each application's images, newest first, so that pages list them without asking AWS.
create table images (
    app     text   primary key references applications (name),
    at      bigint not null,
    body    text   not null,
    failure text
);
