alter table post add constraint known check (published is not null or title is null);
alter table post add constraint one_published unique (published, id);
create index plain on post (published);
create index by_expression on post ((not published));
create index partial on post (title) where published;
create statistics correlated on published, title from post;
alter table post add is_draft boolean generated always as (not published) stored;
create index on_generated on post (is_draft);
create table log (id int primary key, published boolean, post int, foreign key (published, post) references post (published, id));
create table kind (published boolean primary key);
insert into kind values (true);
alter table post add constraint of_kind foreign key (published) references kind;
alter table post enable row level security;
create policy readers on post using (published);
create view visible as select id, title from post where published;
create view titles as select title from visible;
create materialized view counted as select published, count(*) as posts from post group by 1;
create rule kept as on delete to post where old.published do instead nothing;
create function count_up() returns trigger language plpgsql as 'begin return new; end';
create trigger changed after update of published on post for each row execute function count_up();
create function watch_words() returns trigger language plpgsql as
    'begin if new.published then raise notice ''out''; end if; return new; end';
create trigger words before insert on post for each row execute function watch_words();
create function atomic() returns bigint language sql begin atomic select count(*) from post where published; end;
create view through_function as select atomic() as posts;
create function by_word(int) returns boolean language plpgsql as
    'begin return (select p.published from post p where p.id = $1); end';
create function by_string() returns void language plpgsql as
    'begin execute ''update '' || ''post set PUBLISHED = true''; end';
create publication narrow for table post (id, published);
