-- An in-memory database: filled, indexed, grouped, joined, thinned out. @ROWS@ is set by `run`.
.mode list
create table item(id integer primary key, name text, payload blob);
with recursive n(x) as (select 1 union all select x + 1 from n where x < @ROWS@)
insert into item select x, printf('name-%d-%x', x, (x * 2654435761) & 4294967295),
                        zeroblob(40 + (x * 7919) % 200) from n;
create index item_name on item(name);
select count(*), sum(length(payload)) from item where name like 'name-1%';
select substr(name, 1, 6) prefix, count(*), length(group_concat(id)) from item
  group by prefix order by 2 desc, 1 limit 5;
delete from item where id % 3 = 0;
select count(*) from (select a.id from item a join item b on a.id = b.id + 1);
select length(json_group_array(json_object('id', id, 'name', name)))
  from (select * from item order by id limit @ROWS@ / 10);
